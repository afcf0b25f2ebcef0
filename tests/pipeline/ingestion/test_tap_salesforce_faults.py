"""The Salesforce tap where the API answers badly, late, twice or not at all: nothing lost, and errors that say why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Server
from headwater_tap.calls import ServiceError
from tap_salesforce import reading
from tap_salesforce.usage import LimitError
from wholesale import New, Organisation, organisations

STREAMS = ("accounts", "opportunities", "opportunity_line_items", "products")
OPPORTUNITIES, LINES = "salesforce_opportunities", "salesforce_opportunity_line_items"
QUERY = "/salesforce/services/data/v62.0/query"


@pytest.fixture
def new(server: Server, tmp_path: Path) -> Iterator[New]:
    yield from organisations(server, tmp_path)


@pytest.fixture
def petco(new: New) -> Organisation:
    return new()


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
