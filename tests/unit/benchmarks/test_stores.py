"""Rows against columns: figures that would be wrong without anybody seeing it, and charts that cannot be read."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from cli.commands.bench import check
from localstack.errors import UsageError
from tests.benchmarks.stores import charts, questions
from tests.benchmarks.stores.clients import crowd
from tests.benchmarks.stores.measuring import Times, Timing, crossover, repeat
from tests.benchmarks.stores.result import MANY, ONE, Found, Result, Size, growth, number, rounded

SIZES = (1_000, 10_000, 100_000)


def test_the_crossover_is_between_the_sizes_where_columns_overtake() -> None:
    """A crossover at a size that was measured, ten times off; on logarithmic axes this one is in their middle."""
    found = crossover(SIZES, (1, 10, 100), (20, 10 * math.sqrt(10), 100 / math.sqrt(10)))
    assert found == pytest.approx(10_000 * math.sqrt(10))


def test_the_crossover_is_the_last_one() -> None:
    """A lucky time at a small size, taken for the size from which on columns win."""
    assert crossover(SIZES, (1, 10, 100), (0.5, 20, 50)) == pytest.approx(10_000 * math.sqrt(10))


def test_columns_that_never_or_always_win() -> None:
    """An extrapolation to sizes that nobody has measured."""
    assert crossover(SIZES, (1, 10, 100), (2, 20, 100)) is None
    assert crossover(SIZES, (1, 10, 100), (0.9, 9, 90)) == 1_000


def test_a_tie_is_not_won() -> None:
    assert crossover(SIZES, (1, 10, 100), (1, 10, 50)) == pytest.approx(10_000)


def test_the_95th_percentile_is_a_time_that_was_measured() -> None:
    """The slowest run hidden where there are few; one outlier of a hundred shown as usual."""
    assert Times([3, 1, 2], 0).p95 == 3
    assert Times([*range(1, 101)], 0).p95 == 95


def test_a_slow_question_is_asked_often_enough_and_not_for_ever() -> None:
    """A median of one run; half an hour for twenty runs of a minute."""
    assert repeat(float, 10, longest_s=-1) == [0, 1, 2]
    assert repeat(float, 2, longest_s=60) == [0, 1]


@pytest.mark.parametrize("rows", [1_000, 50_000, 1_000_000, 10_000_000])
def test_the_sizes_ascend_to_all_rows(rows: int) -> None:
    """A table that is not there, or one that is made twice."""
    sizes = questions.sizes(rows)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == rows
    assert questions.name(rows, rows) == "orders"


def test_clients_ask_at_once_and_the_first_error_is_told() -> None:
    """Clients in turn; a client that failed, and a rate of the others."""
    asked: list[str] = []
    found = crowd([asked.append, asked.append], [["a"], ["b"]], seconds=0)
    assert sorted(asked) == ["a", "b"]
    assert len(found.ms) == 2

    def fail(_: str) -> None:
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        crowd([fail, asked.append], [["a"], ["b"]], seconds=0)


def test_numbers_show_three_digits_that_count() -> None:
    assert [number(value) for value in (0.4213, 4.213, 42.13, 4213.4)] == ["0.42", "4.21", "42.1", "4,213"]
    assert [rounded(value) for value in (243_999.0, 1_000.0, 7.2)] == ["240,000", "1,000", "7"]


def result() -> Result:
    """A run in which Trino overtakes PostgreSQL and DuckDB never does."""
    titles = ("point lookup by key", "monthly aggregate", "wide scan, all columns")
    stores = [
        Found(
            name, colour, Size(100),
            warm={title: Timing([ms, 2 * ms], 1, 1e6) for title in titles},
            updates={title: Timing([ms], 1, 1e3) for title in (ONE, MANY)},
            series=series,
        )
        for name, colour, ms, series in (
            ("PostgreSQL", "rows", 0.3, [1.0, 10.0, 100.0]),
            ("Iceberg, Trino", "trino", 120.0, [50.0, 55.0, 60.0]),
            ("Iceberg, DuckDB", "duckdb", 1800.0, [101.0, 102.0, 103.0]),
        )
    ]  # fmt: skip
    return Result(1, 100_000, SIZES, stores)


def test_the_page_says_who_wins_from_where_on() -> None:
    """The reader's first question left to the reader; a winner that is none."""
    text = growth(result())
    assert re.search(r"Iceberg, Trino: faster than PostgreSQL from about \d\d,000 orders on", text)
    assert "Iceberg, DuckDB: not faster up to 100,000" in text
    assert "| 10,000 | 10.0 | 55.0 | 102 |" in text


@pytest.mark.parametrize("draw", [charts.growth, charts.comparison])
def test_everything_of_a_chart_is_inside_it(draw: charts.Draw) -> None:
    """A point or a word beyond the edge, or two labels on top of each other."""
    root = ElementTree.fromstring(draw(result()))
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    labels = set()
    for each in root.iter():
        for name, value in each.attrib.items():
            if name in {"x", "x1", "x2", "cx"}:
                assert 0 <= float(value) <= width, each.attrib
            if name in {"y", "y1", "y2", "cy"}:
                assert 0 <= float(value) <= height, each.attrib
        if each.tag.endswith("text"):
            assert (each.attrib["x"], each.attrib["y"]) not in labels
            labels.add((each.attrib["x"], each.attrib["y"]))
    text = " ".join(each.text or "" for each in root.iter())
    assert all(store.name in text for store in result().stores)
    assert "prefers-color-scheme: dark" in text


def test_an_option_of_another_measurement_is_refused() -> None:
    """`make bench scale=10`, which would measure the platform, and say nothing of the scale."""
    with pytest.raises(UsageError, match="only=stores scale=10"):
        check("platform", restart=False, scale=10.0)
    with pytest.raises(UsageError, match="not pods"):
        check("pods", restart=True, scale=None)
    check("stores", restart=False, scale=0.1)
