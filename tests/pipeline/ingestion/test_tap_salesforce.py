"""The Salesforce tap against the stand-in of the API, over HTTP, with a real PostgreSQL behind it."""

from __future__ import annotations

import datetime as dt
import json
import logging
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import PACKAGES, Server
from entry_point import EntryPoint, pipes
from headwater_contracts import read_source
from headwater_tap.calls import ServiceError
from headwater_tap.overlap import SEEN_MOST, Sent
from pyiceberg.types import BooleanType, DateType, DecimalType, StringType, TimestamptzType
from singer_sdk.testing import SuiteConfig, suites
from singer_sdk.testing.runners import TapTestRunner
from tap_salesforce.columns import Column, FieldValueError
from tap_salesforce.tap import TapSalesforce
from tap_salesforce.window import Bookmark
from target_iceberg.rows.types import iceberg_schema
from target_iceberg.run import IncompleteStreamError
from wholesale import CLIENT_ID, SECRET, New, Organisation, organisations

STREAMS = ("accounts", "opportunities", "opportunity_line_items", "products")
OPPORTUNITIES, LINES = "salesforce_opportunities", "salesforce_opportunity_line_items"
QUERY = "/salesforce/services/data/v62.0/query"


@pytest.fixture
def new(server: Server, tmp_path: Path) -> Iterator[New]:
    yield from organisations(server, tmp_path)


@pytest.fixture
def petco(new: New) -> Organisation:
    return new()


def test_first_load_brings_all_records_in_exact_types(petco: Organisation) -> None:
    petco.replicate()
    assert {name: petco.count(f"salesforce_{name}") for name in STREAMS} == {
        "accounts": 5,
        "opportunities": 300,
        "opportunity_line_items": 600,
        "products": 10,
    }
    fields = {field.name: field for field in petco.table(OPPORTUNITIES).schema().fields}
    kinds = {name: field.field_type for name, field in fields.items()}
    assert kinds["Amount"] == DecimalType(18, 2)
    assert kinds["CloseDate"] == DateType()
    assert kinds["SystemModstamp"] == TimestamptzType()
    assert kinds["IsWon"] == BooleanType()
    assert kinds["StageName"] == StringType()
    assert fields["Id"].required
    assert not fields["Amount"].required
    # The numbers are the source's to the cent.
    rows = petco.rows(OPPORTUNITIES, "Id")
    sums: dict[str, Decimal] = {}
    for line in petco.rows(LINES, "Id"):
        sums[line["OpportunityId"]] = sums.get(line["OpportunityId"], Decimal(0)) + line["TotalPrice"]
    assert {row["Id"]: row["Amount"] for row in rows} == sums
    names = {row["Name"] for row in petco.rows("salesforce_products", "Id")}
    assert 'Ball "3", blue' in names


def test_a_run_sends_what_changed_and_nothing_twice(petco: Organisation) -> None:
    petco.replicate()
    assert [len(petco.records(f"salesforce_{name}")) for name in STREAMS] == [0, 0, 0, 0]
    petco.change(50, "delivered")
    changed = petco.records(OPPORTUNITIES)
    assert [(row["StageName"], row["IsWon"], row["_sdc_deleted_at"]) for row in changed] == [("Closed Won", True, None)]
    petco.replicate()
    assert petco.count(OPPORTUNITIES) == 301
    assert petco.records(OPPORTUNITIES) == []


def test_a_change_that_commits_late_is_found(petco: Organisation) -> None:
    """Its time lies before the end of a run that could not see it yet."""
    petco.change(100, "delivered", ago="2 minutes")
    petco.replicate()
    petco.change(150, "delivered", ago="5 minutes")
    assert [row["Id"][:15] for row in petco.records(OPPORTUNITIES)] == ["006Qy0000000003"]
    # Without the overlap it would be lost.
    assert petco.records(OPPORTUNITIES, overlap_seconds=0) == []


def test_deleted_records_are_marked(petco: Organisation) -> None:
    """With the time of the deletion in `_sdc_deleted_at`, as the target's merge reads it."""
    petco.replicate()
    petco.change(100, "returned")  # every second sale that was sent back is deleted, with its lines
    gone = petco.records(OPPORTUNITIES)
    assert [(row["Id"][:15], row["IsDeleted"]) for row in gone] == [("006Qy0000000002", True)]
    assert gone[0]["_sdc_deleted_at"] == gone[0]["SystemModstamp"]
    lines = petco.records(LINES)
    assert [(row["OpportunityId"][:15], row["IsDeleted"]) for row in lines] == [("006Qy0000000002", True)] * 2
    petco.replicate()
    assert petco.table(LINES).schema().find_field("_sdc_deleted_at").field_type == TimestamptzType()
    marked = [row for row in petco.rows(LINES, "Id") if row["_sdc_deleted_at"] is not None]
    assert [(row["Id"], row["_sdc_deleted_at"]) for row in marked] == [
        (row["Id"], row["SystemModstamp"]) for row in marked
    ]
    assert {row["Id"] for row in marked} == {row["Id"] for row in lines}


def test_query_jobs_and_pages_bring_the_same(petco: Organisation) -> None:
    pages = {name: petco.records(f"salesforce_{name}", page_rows=200) for name in STREAMS}
    jobs = {name: petco.records(f"salesforce_{name}", bulk_threshold=1) for name in STREAMS}
    for name in STREAMS:
        assert sorted(jobs[name], key=lambda row: row["Id"]) == sorted(pages[name], key=lambda row: row["Id"])
    assert not petco.service._jobs  # each is deleted when it was read


def test_without_query_jobs_left_large_loads_are_read_by_pages(new: New) -> None:
    petco = new(daily_jobs=0)
    assert len(petco.records(LINES, bulk_threshold=1)) == 600


def test_a_field_that_the_user_may_not_see_is_left_out_and_said_so(
    new: New, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "salesforce").mkdir()
    contract = {"stream": OPPORTUNITIES, "columns": {"Id": {"type": "text"}, "Amount": {"type": "numeric(18,2)"}}}
    (tmp_path / "salesforce" / f"{OPPORTUNITIES}.yml").write_text(json.dumps(contract))
    monkeypatch.setenv("HEADWATER_CONTRACTS", str(tmp_path))
    petco = new(hidden=frozenset({"Opportunity.Amount"}))
    with caplog.at_level(logging.WARNING):
        petco.replicate()
    assert "Amount" not in {field.name for field in petco.table(OPPORTUNITIES).schema().fields}
    assert petco.count(OPPORTUNITIES) == 300
    assert "field Opportunity.Amount of the contract is left out: the user may not see it" in caplog.text


def test_a_permission_taken_away_midway_leaves_the_field_out(
    petco: Organisation, caplog: pytest.LogCaptureFixture
) -> None:
    tap = petco.tap()
    assert OPPORTUNITIES in tap.streams  # discovered
    petco.service.hidden = frozenset({"Opportunity.Amount"})
    with caplog.at_level(logging.WARNING):
        petco.load(petco.sync(tap))
    assert {row["Amount"] for row in petco.rows(OPPORTUNITIES, "Id")} == {None}
    assert "field Opportunity.Amount is left out" in caplog.text


def test_an_object_that_the_user_may_not_see_is_left_out(petco: Organisation, caplog: pytest.LogCaptureFixture) -> None:
    objects = {"salesforce_leads": "Lead", "salesforce_products": "Product2"}
    with caplog.at_level(logging.ERROR):
        assert set(petco.tap(objects=objects).streams) == {"salesforce_products"}
    assert "object Lead is left out" in caplog.text
    with pytest.raises(ServiceError, match="none of the objects"):
        _ = petco.tap(objects={"salesforce_leads": "Lead"}).streams


def test_a_lost_state_doubles_nothing(petco: Organisation, tmp_path: Path) -> None:
    """The target knows where its tables stand: it refuses a start from elsewhere, and the tap can be told."""
    petco.replicate()
    before = petco.state
    petco.change(50, "delivered")
    petco.replicate()
    bookmarks = petco.state["bookmarks"]
    petco.state = before  # Meltano was killed before it had stored the state
    petco.change(100, "delivered")
    with pytest.raises(IncompleteStreamError, match="rows would be doubled or lost"):
        petco.replicate()
    positions = tmp_path / "positions.json"
    positions.write_text(json.dumps(bookmarks))
    petco.state = before
    petco.replicate(positions_file=str(positions))
    assert petco.count(OPPORTUNITIES) == 302


def test_a_tap_that_dies_midway_leaves_no_rows(petco: Organisation) -> None:
    lines = petco.extract_lines().splitlines()
    cut = next(number for number, line in enumerate(lines) if json.loads(line).get("stream") == LINES) + 20
    with pytest.raises(IncompleteStreamError):
        petco.load("\n".join(lines[:cut]))
    petco.replicate()
    assert petco.count(OPPORTUNITIES) == 300
    assert petco.count(LINES) == 600


def test_a_full_refresh_replaces_what_is_there(petco: Organisation) -> None:
    petco.replicate()
    petco.change(50, "delivered")
    petco.state = {}
    petco.replicate()
    assert petco.count(OPPORTUNITIES) == 300


def test_meltano_runs_the_tap_and_the_tables_know_where_they_stand(petco: Organisation, tmp_path: Path) -> None:
    source = {
        "SALESFORCE_LOGIN_URL": petco.settings["login_url"],
        "SALESFORCE_CLIENT_ID": CLIENT_ID,
        "SALESFORCE_CLIENT_SECRET": SECRET,
    }
    ingest = EntryPoint(tmp_path, petco.namespace, source)
    contracts = {"HEADWATER_CONTRACTS": str(PACKAGES.parent / "contracts")}
    first = ingest("--tap", "tap-salesforce", **contracts, **pipes(*(f"raw/salesforce_{name}" for name in STREAMS)))
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"{petco.namespace}.{LINES}: 600 rows" in first.stdout
    messages = [json.loads(line) for line in first.stdout.splitlines() if "__dagster_pipes_version" in line]
    checks = [message["params"] for message in messages if message["method"] == "report_asset_check"]
    assert [check["passed"] for check in checks] == [True] * 4, checks
    petco.change(50, "delivered")
    shutil.rmtree(tmp_path / "meltano")  # with Meltano's state
    second = ingest("--tap", "tap-salesforce", "--streams", OPPORTUNITIES)
    assert second.returncode == 0, second.stdout + second.stderr
    assert petco.count(OPPORTUNITIES) == 301
    assert SECRET not in first.stdout + first.stderr + second.stdout + second.stderr


@pytest.mark.filterwarnings("ignore:No records were available")  # a column without values: no record was merged
def test_the_tap_passes_the_sdks_own_tests(petco: Organisation) -> None:
    """Singer's rules, as those who made the SDK check them; their test class wants the service before tests begin."""
    runner = TapTestRunner(TapSalesforce, config=petco.settings)
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
    assert len(streams) == 4


def test_the_contracts_say_what_the_tap_sends(petco: Organisation) -> None:
    """A contract that is wrong from the start would report drift at the first load."""
    contracts = read_source(PACKAGES.parent / "contracts" / "salesforce").streams
    schemas = {each["stream"]: each["schema"] for each in petco.extract() if each["type"] == "SCHEMA"}
    assert {contract.stream for contract in contracts} == set(schemas)
    for contract in contracts:
        sent = schemas[contract.stream]
        kinds = {
            field.name: (str(field.field_type), field.required)
            for field in iceberg_schema(contract.stream, sent, ["Id"]).fields
            if field.name in contract.columns
        }
        assert set(contract.columns) == set(sent["properties"]) - {"_sdc_deleted_at"}
        names = {"text": "string", "numeric(18,2)": "decimal(18, 2)", "numeric(12,2)": "decimal(12, 2)"}
        names |= {"numeric(5,2)": "decimal(5, 2)", "numeric(3,0)": "decimal(3, 0)"}
        assert kinds == {
            column.name: (names.get(str(column.type), str(column.type)), column.required)
            for column in contract.columns.values()
        }


# Parts


def test_values_of_both_apis_become_the_same() -> None:
    amount = Column("Amount", "currency", True, 18, 2)
    assert amount.value(Decimal("450.0")) == amount.value("450.0") == amount.value(450) == Decimal("450.00")
    assert str(amount.value("1.0E7")) == "10000000.00"  # how a query job writes ten million
    assert amount.value("0.125") == Decimal("0.125")  # more digits than the field shows: never rounded
    assert Column("IsWon", "boolean", False).value("true") is Column("IsWon", "boolean", False).value(True) is True
    at = Column("CreatedDate", "datetime", False)
    assert (
        at.value("2026-06-01T10:00:00.000Z") == at.value("2026-06-01T10:00:00.000+0000") == "2026-06-01T10:00:00+00:00"
    )
    assert Column("Name", "string", True).value("") is None
    pieces, won = Column("Pieces", "int", True), Column("Won", "boolean", True)
    assert pieces.value("5.0") == pieces.value(5) == 5  # a query job may write either
    wrong = ((amount, "n/a"), (amount, "NaN"), (at, "yesterday"), (pieces, "5.5"), (won, "1"))
    for column, raw in wrong:
        with pytest.raises(FieldValueError, match=f"field {column.name}"):
            column.value(raw)


def test_a_bookmark_keeps_the_newest_of_a_mass_change() -> None:
    """A data load of a million records within the overlap must not end up in the snapshot's summary."""
    end = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    second = int(end.timestamp())
    sent = Sent(second - 600, {})
    for number in range(5 * SEEN_MOST):
        sent.add(f"006{number:015d}", second - 500 + number // 10 % 500)
    bookmark = Bookmark.from_state(json.loads(json.dumps(Bookmark(end, sent.seen()).to_state())))
    assert bookmark is not None
    assert len(bookmark.seen) == SEEN_MOST
    assert bookmark.has_sent(f"006{4999:015d}", end - dt.timedelta(seconds=500 - 499))
