"""The entry point: what it asks of Meltano, and what it says about the result."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import PACKAGES, Shop
from entry_point import EntryPoint, pipes
from headwater_ingest.logs import parse
from headwater_ingest.main import parse_arguments
from headwater_ingest.run import FailedStream, Finding, Report, Request, StreamResult, judge, run

ALL = Request("tap-shop", "target-iceberg", (), full_refresh=False)
ORDERS = StreamResult("orders", "raw.orders", 3, 1, 900, 7, 0.5)


def test_arguments() -> None:
    request = parse_arguments(["--streams", "orders, customers,", "--full-refresh"])
    assert request == Request("tap-shop", "target-iceberg", ("orders", "customers"), full_refresh=True)
    assert "--full-refresh" in request.command()
    assert "--full-refresh" not in ALL.command()


def test_streams_are_selected_and_all_is_no_filter(tmp_path: Path) -> None:
    chosen = Request("tap-shop", "target-iceberg", ("orders",), full_refresh=False)
    assert json.loads(chosen.environment({}, tmp_path)["TAP_SHOP__SELECT_FILTER"]) == ["orders"]
    assert "TAP_SHOP__SELECT_FILTER" not in ALL.environment({}, tmp_path)


def test_log_lines_are_short_and_keep_what_failed() -> None:
    line = {"event": "it broke", "level": "error", "timestamp": "2026-01-02T03:04:05.6Z", "string_id": "tap-shop"}
    assert str(parse(json.dumps(line))) == "03:04:05 tap-shop         | ERROR: it broke"
    assert parse(json.dumps({"event": 'METRIC: {"value": 1}'})) is None
    exception = parse(json.dumps({**line, "level": "info", "event": "tap.columns.NoFitError: value 'nan'"}))
    assert exception is not None
    assert exception.is_error, "what a plugin died of belongs into the summary"
    plain = parse("Traceback (most recent call last):\n")
    assert plain is not None
    assert plain.text == "Traceback (most recent call last):"


def test_requested_stream_that_was_not_loaded_is_a_failure() -> None:
    request = Request("tap-shop", "target-iceberg", ("orders", "nope"), full_refresh=False)
    report = Report((ORDERS,))
    assert judge(request, report, 0, []).failure == "tap-shop has no stream nope: check the name, or the grants"
    assert judge(ALL, report, 0, []).failure is None
    assert "exited with 1; not loaded: nope" in str(judge(request, report, 1, []).failure)


def test_stream_with_a_contract_that_does_not_come_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dropped table is no stream any more: nothing else would say so, and its rows in the lake grow old."""
    monkeypatch.setenv("HEADWATER_CONTRACTS", str(PACKAGES.parent / "contracts"))
    request = parse_arguments([])
    assert request.contracts["orders"] == "shop/orders.yml"
    assert "stripe_charges" not in request.contracts, "that is another tap's"
    others = tuple(StreamResult(name, f"raw.{name}", 1, 1, 9, 7, 0.5) for name in request.contracts if name != "orders")
    result = judge(request, Report(others), 0, [])
    assert "tap-shop has no stream orders" in str(result.failure)
    (failed,) = result.failed
    assert (failed.stream, failed.contract) == ("orders", "shop/orders.yml")
    assert "take shop/orders.yml away" in failed.findings[0].decision
    assert judge(request, Report((*others, ORDERS)), 0, []).failure is None


@pytest.mark.parametrize(
    ("code", "refused", "needs_a_person"),
    [(1, ("nope",), True), (1, (), False), (1, ("stores",), False), (0, (), True)],
    ids=["a contract refuses it", "who knows", "another stream failed too", "there is no such stream"],
)
def test_a_failure_that_would_come_again_is_told_apart(
    code: int, refused: tuple[str, ...], needs_a_person: bool
) -> None:
    """Two more reads of hours for what a contract refuses; or none after a connection was lost."""
    request = Request("tap-shop", "target-iceberg", ("orders", "nope"), full_refresh=False)
    fails = (Finding("type", "id", "fail", "id is text", "Change the contract"),)
    warned = FailedStream("nope", None, (replace(fails[0], severity="warn"),))
    failed = (warned, *(FailedStream(each, None, fails) for each in refused))
    assert judge(request, Report((ORDERS,), failed), code, []).needs_a_person == needs_a_person


@pytest.fixture
def ingest(shop: Shop, tmp_path: Path) -> EntryPoint:
    source = {
        "SHOP_HOST": shop.server.host,
        "SHOP_PORT": str(shop.server.port),
        "SHOP_DATABASE": shop.database,
        "SHOP_USER": "reader",
        "SHOP_PASSWORD": shop.settings["password"],
    }
    return EntryPoint(tmp_path, shop.namespace, source)


MELTANO = """#!/bin/sh
echo >>"$HEADWATER_TEST_CALLS"
if [ "$(wc -l <"$HEADWATER_TEST_CALLS")" -le "$HEADWATER_TEST_FAILURES" ]; then
    echo "$HEADWATER_TEST_SAYS"
    exit 1
fi
"""


@pytest.mark.parametrize(
    ("says", "failures", "calls", "fails"),
    [
        ("Cannot upgrade the system database. It might be corrupted or", 1, 2, False),
        ("Cannot upgrade the system database. It might be corrupted or", 2, 2, True),
        ("no such host", 1, 1, True),
    ],
)
def test_loads_that_make_meltanos_database_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, says: str, failures: int, calls: int, fails: bool
) -> None:
    """The first run of a new platform starts three: all but one find tables that were not there a moment ago."""
    for name, text in (("meltano", MELTANO), ("target-iceberg-tables", "#!/bin/sh\necho '{}'\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    called = tmp_path / "calls"
    for name, value in (("CALLS", called), ("FAILURES", failures), ("SAYS", says)):
        monkeypatch.setenv(f"HEADWATER_TEST_{name}", str(value))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
    result = run(Request("tap-shop", "target-iceberg", (), False), lambda event: None, lambda wanted: None)
    assert (result.failure is not None) is fails
    assert len(called.read_text().splitlines()) == calls


def test_meltano_moves_all_then_the_changes_then_all_again(shop: Shop, ingest: EntryPoint, tmp_path: Path) -> None:
    shop.execute("create table shop.tags (tag text primary key)", "insert into shop.tags values ('a')")
    first = ingest(**pipes("raw/orders", "raw/tags"))
    assert first.returncode == 0, first.stdout + first.stderr
    messages = [json.loads(line) for line in first.stdout.splitlines() if "__dagster_pipes_version" in line]
    reported = {
        message["params"]["asset_key"]: message["params"]["metadata"]["rows"]["raw_value"]
        for message in messages
        if message["method"] == "report_asset_materialization"
    }
    assert reported == {"raw/orders": 1000, "raw/tags": 1}

    shop.execute(
        "alter table shop.orders add gift boolean",
        "update shop.orders set gift = true, updated_at = now() where order_id <= 5",
    )
    second = ingest("--streams", "orders")
    assert second.returncode == 0, second.stdout + second.stderr
    assert shop.count("orders") == 1005
    assert "tags:" not in second.stdout

    shutil.rmtree(tmp_path / "meltano")  # with Meltano's state: the tables still know where they stand
    again = ingest("--streams", "orders")
    assert again.returncode == 0, again.stdout + again.stderr
    assert shop.count("orders") == 1005

    third = ingest("--streams", "orders", "--full-refresh")
    assert third.returncode == 0, third.stdout + third.stderr
    assert shop.count("orders") == 1000


def test_failing_stream_is_an_error_that_names_it(shop: Shop, ingest: EntryPoint) -> None:
    shop.execute("alter table shop.orders add rate numeric default 'NaN'")
    result = ingest()
    assert result.returncode == 1
    assert "stream orders: 1000 of 1000 rows can't be stored, more than the contract allows" in result.stderr
    assert shop.settings["password"] not in result.stdout + result.stderr
