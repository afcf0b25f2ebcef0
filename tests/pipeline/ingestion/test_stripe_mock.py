"""The Stripe tap against stripe-mock, which Stripe wrote: it answers from its published specification.

It checks what it is asked (paths, parameters, their types), and its objects have every field of the specification. It
has one object of each kind and no events of ours: paging, windows and changes are tested on our stand-in.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, suites
from singer_sdk.testing.runners import TapTestRunner
from tap_stripe.objects import API_VERSION, KINDS
from tap_stripe.tap import TapStripe

from localstack.home import Home
from localstack.toolchain import builds
from localstack.toolchain.versions import versions

KEY = "sk_test_0123456789abcdef"
LISTS_WITHIN = {"refunds", "sources", "subscriptions", "tax_ids"}
"""Fields that hold a list of other objects; they are only there when they are expanded."""


class Step:
    """A build's progress, unseen."""

    def update(self, text: str) -> None: ...

    def skip(self, reason: str) -> None: ...

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str | None = None,
    ) -> None:
        done = subprocess.run(argv, env=env, cwd=cwd, input=input, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    """The address of a running stripe-mock, built once from its pinned module, with the Go of the tool chain."""
    home, build = Home.default(), versions().build("stripe-mock")
    if not builds.is_built(home, build):
        builds.make(home, build, Step())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [builds.folder(home, build) / "stripe-mock", "-http-addr", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                get(f"{address}/v1/charges")
                break
            except urllib.error.URLError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"}), timeout=20
    ) as answer:
        return dict(json.load(answer))


def extract(mock: str, state: dict[str, Any] | None = None, **settings: Any) -> list[dict[str, Any]]:
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    config = {"api_key": KEY, "api_url": mock, "attempts": 1, **settings}
    with contextlib.redirect_stdout(output):
        TapStripe(config=config, state=state).sync_all()
    output.seek(0)
    return [json.loads(line) for line in output]


def test_every_stream_is_read_as_the_specification_has_it(mock: str) -> None:
    messages = extract(mock)
    for kind in KINDS:
        rows = [each["record"] for each in messages if each["type"] == "RECORD" and each["stream"] == kind.stream]
        original = get(f"{mock}/v1/{kind.plural}")["data"][0]
        (row,) = rows
        assert row["id"] == original["id"]
        required = next(
            each["schema"]["required"]
            for each in messages
            if each["type"] == "SCHEMA" and each["stream"] == kind.stream
        )
        assert all(row[name] is not None for name in required), "null in a column that is never null"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_no_field_of_the_specification_is_left_out(mock: str, kind: Any) -> None:
    original = get(f"{mock}/v1/{kind.plural}")["data"][0]
    assert set(original) - LISTS_WITHIN <= set(kind.columns)


@pytest.mark.filterwarnings("ignore:No records were available")  # a column without values: no record was merged
def test_the_tap_passes_the_sdks_own_tests(mock: str) -> None:
    """Singer's rules, as those who made the SDK check them; their test class wants the service before tests begin."""
    runner = TapTestRunner(TapStripe, config={"api_key": KEY, "api_url": mock, "attempts": 1})
    runner.sync_all()
    for template in suites.tap_tests.tests:
        template().run(SuiteConfig(), None, runner)
    streams = list(runner.new_tap().streams.values())
    for stream in streams:
        for template in suites.tap_stream_tests.tests:
            template().run(SuiteConfig(), None, runner, stream)
        for template in suites.tap_stream_attribute_tests.tests:
            for name, schema in stream.schema["properties"].items():
                if template.evaluate(stream=stream, property_name=name, property_schema=schema):
                    template().run(SuiteConfig(), None, runner, stream, name)
    assert len(streams) == len(KINDS)


def test_incremental_requests_and_expansions_are_valid(mock: str) -> None:
    """stripe-mock refuses unknown parameters; a wrong one would be refused by Stripe, after the first run only."""
    bookmarks = {kind.stream: {"read_until": int(time.time()) - 86_400} for kind in KINDS}
    expand = ["stripe_charges.balance_transaction", "stripe_disputes.charge"]
    messages = extract(mock, {"bookmarks": bookmarks}, expand=expand)
    states = [each["value"] for each in messages if each["type"] == "STATE"]
    assert all(
        states[-1]["bookmarks"][kind.stream]["read_until"] > bookmarks[kind.stream]["read_until"] for kind in KINDS
    )


def test_the_pinned_version_is_the_specifications(mock: str) -> None:
    request = urllib.request.Request(f"{mock}/v1/charges", headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        said = answer.headers.get("Stripe-Version", API_VERSION)
    assert said == API_VERSION
