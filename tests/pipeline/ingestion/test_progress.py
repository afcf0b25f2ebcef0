"""When a later run may go on from what an earlier one has kept, and what is said of a long read."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest
from headwater_ingest.logs import parse
from tap_postgres_arrow.blocks import Blocks
from tap_postgres_arrow.boundary import Snapshot
from tap_postgres_arrow.progress import Finished
from tap_postgres_arrow.rate import Rate, duration

EARLIER = Finished(Blocks(0, 9), (), 100, 110, standby=False, key=None)
SEEN = Snapshot("1", 120, 130, dt.datetime.now(dt.UTC), 1)


@pytest.mark.parametrize(
    ("then", "now", "standby", "expected"),
    [
        (EARLIER, SEEN, False, True),
        (EARLIER, replace(SEEN, xmin=100), False, True),
        (EARLIER, replace(SEEN, xmin=100), True, False),
        (replace(EARLIER, standby=True), replace(SEEN, xmin=105), False, False),
        (replace(EARLIER, standby=True), replace(SEEN, xmin=110), True, True),
        (EARLIER, replace(SEEN, xmin=99, xmax=109), False, False),
        (EARLIER, replace(SEEN, xmax=100 + 2**32 - 1), False, True),
        (EARLIER, replace(SEEN, xmax=100 + 2**32), False, False),
    ],
    ids=["later", "still open", "standby behind", "was standby", "standbys", "restored", "2^32 - 1", "2^32"],
)
def test_a_snapshot_that_may_not_be_later(then: Finished, now: Snapshot, standby: bool, expected: bool) -> None:
    """A standby that is behind another sees what the other saw removed; transaction ids come round."""
    assert then.is_before(now, standby=standby) is expected


def test_progress_says_rows_share_rate_and_time_left() -> None:
    """What an earlier run has read is no rate of this one."""
    rate = Rate("shop.orders", 1000, 400, 4_000_000)
    rate.add(1_000_000, 100)
    assert rate.line(100) == "Progress of shop.orders: 5,000,000 rows, 50%, 10,000 rows/s, about 8 min left"
    assert [duration(each) for each in (9, 700, 11_100)] == ["9 s", "12 min", "3 h 05 min"]


def test_progress_is_known_by_its_line() -> None:
    """What is passed on to Dagster; a short read has no such line."""
    said = "2026-01-01 10:00:00 | INFO     | tap-postgres-arrow | Progress of shop.orders: 5 rows, 50%"
    event = parse(json.dumps({"event": said, "level": "info"}))
    assert event is not None
    assert event.progress == "Progress of shop.orders: 5 rows, 50%"
    other = parse(json.dumps({"event": "Beginning sync of 'orders'"}))
    assert other is not None
    assert other.progress is None
