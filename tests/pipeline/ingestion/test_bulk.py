"""The tap's command without the SDK says what the SDK's classes say, and leaves to them what it does not know."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Shop, send_in_bulk, send_through_the_sdk
from headwater_tap.command import parse
from tap_postgres_arrow.main import BulkRun
from tap_postgres_arrow.settings import for_bulk
from tap_postgres_arrow.tap import TapPostgresArrow

Send = Callable[[dict[str, Any], dict[str, Any], dict[str, Any] | None], None]


def said(send: Send, shop: Shop, state: dict[str, Any], catalog: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the messages, without what differs from run to run."""
    config = for_bulk(shop.settings)
    assert config is not None
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(output):
        send(config, json.loads(json.dumps(state)), catalog)
    output.seek(0)
    messages = [json.loads(line) for line in output]
    for message in messages:
        message.pop("version", None)
        message.pop("manifest", None)
        for bookmark in message.get("value", {}).get("bookmarks", {}).values():
            bookmark.pop("source_snapshot", None)
    return messages


def discovered(shop: Shop) -> dict[str, Any]:
    config = for_bulk(shop.settings)
    assert config is not None
    run = BulkRun(config)
    try:
        return run.discover()
    finally:
        run.source.close()


@pytest.fixture
def varied(shop: Shop) -> Shop:
    shop.execute(
        "create table shop.empty (id int primary key, updated_at timestamptz)",
        "create table shop.lines (line int, order_id int, note text, primary key (order_id, line))",
        "insert into shop.lines values (1, 1, 'é'), (2, 1, null)",
        "create table shop.keyless (x numeric(12,2), updated_at date)",
    )
    return shop


def test_discovery_is_the_sdks(varied: Shop) -> None:
    tap = TapPostgresArrow(config=varied.settings, setup_mapper=False)
    try:
        assert discovered(varied) == json.loads(tap.catalog_json_text)
    finally:
        tap.source.close()


def test_messages_are_the_sdks(varied: Shop) -> None:
    """For the first run and the next, with everything selected, and with a stream and columns deselected."""
    catalog = discovered(varied)
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if item["breadcrumb"][-1:] in (["note"], ["order_id"]):
                item["metadata"]["selected"] = False  # order_id stays: keys are included automatically
            if item["breadcrumb"] == [] and stream["stream"] == "empty":
                item["metadata"]["selected"] = False
    for chosen in (None, catalog):
        state: dict[str, Any] = {}
        for _ in range(2):
            bulk, sdk = (said(send, varied, state, chosen) for send in (send_in_bulk, send_through_the_sdk))
            # The SDK tells of streams one by one that they are being read, main.py of all at once.
            assert [each for each in bulk if each["type"] != "STATE"] == [
                each for each in sdk if each["type"] != "STATE"
            ]
            assert bulk[-1] == sdk[-1]
            assert {"SCHEMA", "BATCH", "STATE"} <= {each["type"] for each in bulk}
            state = bulk[-1]["value"]


@pytest.mark.parametrize(
    "change",
    [
        {"batch_config": None},
        {"batch_config": {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp"}}},
        {"batch_config": {"encoding": {"format": "arrow"}, "storage": {"root": "file:///tmp"}, "batch_size": 5}},
        {"port": "5432"},
        {"port": True},
        {"host": None},
        {"stream_maps": {}},
        {"typo": 1},
    ],
    ids=str,
)
def test_what_is_not_plain_bulk_is_left_to_the_sdk(change: dict[str, Any]) -> None:
    """Its validation names what is wrong, and stream maps must not be passed over in silence."""
    batches = {"encoding": {"format": "arrow"}, "storage": {"root": "file:///tmp"}}
    plain = {"host": "h", "port": 1, "database": "d", "user": "u", "password": "p", "batch_config": batches}
    assert for_bulk(plain) is not None
    assert for_bulk({**plain, **change}) is None


@pytest.mark.parametrize(
    "arguments", [["--about"], ["--version"], ["--test"], ["--config", "ENV"], ["--help"]], ids=str
)
def test_other_arguments_are_left_to_the_sdk(arguments: list[str]) -> None:
    assert parse(arguments) is None


def test_singer_arguments(tmp_path: Path) -> None:
    for name in ("config", "state", "catalog"):
        (tmp_path / name).write_text("{}")
    paths = {name: str(tmp_path / name) for name in ("config", "state", "catalog")}
    options = parse([f"--config={paths['config']}", "--state", paths["state"], "--catalog", paths["catalog"]])
    assert options is not None
    assert (options.config, options.state, options.discover) == ([paths["config"]], paths["state"], False)
