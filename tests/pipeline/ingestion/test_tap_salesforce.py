"""The Salesforce tap against the stand-in of the API, over HTTP, with a real PostgreSQL behind it."""

from __future__ import annotations

import datetime as dt
import json
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGES, Server
from entry_point import EntryPoint, pipes
from headwater_contracts import read_source
from headwater_tap.calls import ServiceError
from headwater_tap.overlap import SEEN_MOST, Sent
from pyiceberg.types import BooleanType, DateType, DecimalType, StringType, TimestamptzType
from singer_sdk.testing import SuiteConfig, suites
from singer_sdk.testing.runners import TapTestRunner
from tap_salesforce import reading
from tap_salesforce.columns import Column, FieldValueError
from tap_salesforce.tap import TapSalesforce
from tap_salesforce.usage import LimitError
from tap_salesforce.window import Bookmark
from target_iceberg.messages.target import IncompleteStreamError
from target_iceberg.rows.types import iceberg_schema
from wholesale import CLIENT_ID, SECRET, Organisation, organisation

STREAMS = ("accounts", "opportunities", "opportunity_line_items", "products")
OPPORTUNITIES, LINES = "salesforce_opportunities", "salesforce_opportunity_line_items"
QUERY = "/salesforce/services/data/v62.0/query"
New = Callable[..., Organisation]


@pytest.fixture
def new(server: Server, tmp_path: Path) -> Iterator[New]:
    """Return what makes an organisation; settings are the stand-in's."""
    with ExitStack() as stack:

        def make(**service: Any) -> Organisation:
            name = f"wholesale_{uuid.uuid4().hex[:12]}"
            return stack.enter_context(organisation(server, name, tmp_path / name, **service))

        yield make


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


@pytest.mark.parametrize("kind", ["429", "500", "html", "truncated", "slow"])
def test_a_bad_answer_is_asked_for_again(petco: Organisation, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from petco.api import faults

    monkeypatch.setattr(faults, "SLOW_S", 2)
    everywhere = [QUERY, f"{QUERY}All", "/salesforce/services/data/v62.0/limits", "/salesforce/services/oauth2/token"]
    for path in everywhere[::-1]:
        petco.faults.plan(faults.Fault(kind, path))
    petco.faults.plan(*(faults.Fault(kind, QUERY + "/01g") for _ in range(2)))
    petco.replicate(page_rows=200, timeout_seconds=1.5 if kind == "slow" else 30, attempts=6)
    assert {name: petco.count(f"salesforce_{name}") for name in STREAMS[1:3]} == {STREAMS[1]: 300, STREAMS[2]: 600}


@pytest.mark.parametrize("kind", ["500", "html", "truncated"])
def test_a_bad_part_of_a_query_job_is_asked_for_again(petco: Organisation, kind: Any) -> None:
    from petco.api.faults import Fault

    jobs = "/salesforce/services/data/v62.0/jobs/query"
    petco.faults.plan(
        Fault(kind, jobs), Fault(kind, f"{jobs}/750"), Fault(kind, f"{jobs}/750"), Fault(kind, f"{jobs}/750")
    )
    rows = petco.records(LINES, bulk_threshold=1, attempts=5)
    assert len({row["Id"] for row in rows}) == len(rows) == 600
    assert petco.faults.left == 0


def test_too_many_requests_at_once_are_tried_again(petco: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code as for a used-up day, which another attempt would not help."""
    from petco.salesforce.errors import ApiError

    admitted, refused = petco.service.admit, []

    def crowded(token: str) -> None:
        if len(refused) < 2:
            refused.append(token)
            message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", message)
        admitted(token)

    monkeypatch.setattr(petco.service, "admit", crowded)
    assert len(petco.records("salesforce_products")) == 10
    assert len(refused) == 2


def test_a_query_that_is_too_long_for_a_url_goes_through_a_job(
    petco: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST_URL", 100)
    assert len(petco.records("salesforce_products")) == 10
    assert petco.service._jobs_made == 4


def test_a_query_job_that_does_not_end_is_an_error(petco: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(petco.service, "look", lambda _job: False)
    with pytest.raises(ServiceError, match=r"is still InProgress after 0 s \(setting bulk_timeout_seconds\)"):
        petco.extract(bulk_threshold=1, bulk_timeout_seconds=0.1)
    assert not petco.service._jobs


def test_a_part_of_a_job_that_comes_twice_is_asked_for_again(
    petco: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from petco.salesforce import jobs

    real, asked = jobs._start, []

    def repeating(locator: str | None) -> int:
        asked.append(real(locator))
        return 0 if asked.count(200) == 1 and asked[-1] == 200 else asked[-1]

    monkeypatch.setattr(jobs, "RESULT_ROWS", 200)
    monkeypatch.setattr(jobs, "_start", repeating)
    rows = petco.records(LINES, bulk_threshold=500)
    assert asked == [0, 200, 200, 400]
    assert len({row["Id"] for row in rows}) == len(rows) == 600


def test_a_page_that_comes_twice_is_not_sent_twice(petco: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy repeats the page before in answer to the request for the next."""
    from petco.salesforce import service

    real, asked = service._page, []

    def repeating(*arguments: Any, **options: Any) -> Any:
        asked.append(options["start"])
        if asked.count(options["start"]) == 1 and options["start"] == 200:
            options["start"] = 0
        return real(*arguments, **options)

    monkeypatch.setattr(service, "_page", repeating)
    rows = petco.records(LINES, page_rows=200)
    assert len({row["Id"] for row in rows}) == len(rows) == 600
    assert asked.count(200) > 1


def test_pages_that_lack_rows_fail_the_stream(petco: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rows than promised would be a silent loss."""
    from petco.salesforce import service

    real = service._page

    def losing(*arguments: Any, **options: Any) -> Any:
        page = real(*arguments, **options)
        return page if options["start"] else {**page, "records": page["records"][1:]}

    monkeypatch.setattr(service, "_page", losing)
    with pytest.raises(ServiceError, match="a query of 5 rows gave 4 different ones"):
        petco.extract()


def test_a_service_that_stays_broken_ends_in_a_clear_error_and_loses_nothing(petco: Organisation) -> None:
    from petco.api.faults import Fault

    petco.replicate()
    petco.change(50, "delivered")
    petco.faults.plan(*(Fault("html", QUERY) for _ in range(3)))
    with pytest.raises(ServiceError, match=r"GET .*/query(All)? gave no usable answer in 3 attempts.*instead of JSON"):
        petco.extract()
    petco.replicate()
    assert petco.count(OPPORTUNITIES) == 301


def test_a_cursor_that_the_service_dropped_begins_anew(petco: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = petco.service.keep
    dropped = []

    def forgetting(rows: Any) -> str:
        locator = kept(rows)
        if not dropped:
            dropped.append(petco.service._cursors.pop(locator))
        return str(locator)

    monkeypatch.setattr(petco.service, "keep", forgetting)
    rows = petco.records(LINES, page_rows=200)
    assert dropped
    assert len({row["Id"] for row in petco.records(OPPORTUNITIES)}) == 300
    assert len({row["Id"] for row in rows}) == len(rows) == 600


def test_a_session_that_ends_midway_is_renewed(petco: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    admitted = petco.service.admit
    requests = []

    def ending(token: str) -> None:
        requests.append(token)
        if len(requests) % 5 == 0:
            petco.service.revoke()
        admitted(token)

    monkeypatch.setattr(petco.service, "admit", ending)
    petco.replicate(page_rows=200)
    assert len(set(requests)) > 2
    assert petco.count(LINES) == 600


def test_a_session_that_is_never_accepted_is_an_error(petco: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(petco.service, "session_s", -1)
    with pytest.raises(ServiceError, match="a session that has just begun is not accepted"):
        petco.extract()


def test_the_tap_leaves_requests_to_others(new: New) -> None:
    petco = new(daily_requests=100)
    petco.service._new_day()
    petco.service._requests = 45  # others did these
    said = "50 of the 100 API requests of the last 24 hours are used.*api_limit_share"
    with pytest.raises(LimitError, match=said):
        petco.extract(api_limit_share=0.5)
    assert petco.service._requests == 50
    petco.replicate()  # with a larger share it goes on, and nothing is missing
    assert petco.count(LINES) == 600


def test_all_requests_used_by_others_is_a_clear_error(new: New) -> None:
    petco = new(daily_requests=10)
    with pytest.raises(LimitError, match="all API requests of the last 24 hours are used"):
        petco.extract(api_limit_share=2)


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
