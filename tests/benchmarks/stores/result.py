"""What a run has found, and how the page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.stores.measuring import AGGREGATE, CLIENTS, CLIENTS_S, Throughput, Times, Timing, crossover

ONE, MANY = "update of one row", "update of 1,000 rows at once"


@dataclass(frozen=True)
class Size:
    """Megabytes of the table's rows and of its indexes, and in how many data files it is, in the lake."""

    table_mb: float
    index_mb: float = 0.0
    files: int | None = None


@dataclass
class Found:
    """What was measured of one reader, by the titles of the questions."""

    name: str
    colour: str
    size: Size
    warm: dict[str, Timing] = field(default_factory=dict)
    cold: dict[str, Timing] = field(default_factory=dict)
    updates: dict[str, Timing] = field(default_factory=dict)
    crowds: dict[str, Throughput] = field(default_factory=dict)
    after: Timing | None = None
    """The warm aggregate after the updates."""
    series: list[float] = field(default_factory=list)
    """The warm aggregate at each size, in milliseconds."""


@dataclass
class Result:
    """A run: number of orders, the sizes of all tables, and the readers, PostgreSQL first."""

    scale: float
    rows: int
    sizes: Sequence[int]
    stores: list[Found]
    loads: list[float] = field(default_factory=list)
    """Load averages of the last minute, while measuring."""

    def crossovers(self) -> list[tuple[Found, float | None]]:
        """Return each reader of columns with the number of rows from which on it is faster than rows."""
        rows, *columns = self.stores
        return [(each, crossover(self.sizes, rows.series, each.series)) for each in columns]


def number(value: float) -> str:
    """Return a number with three digits that count: 0.42, 4.21, 42.1, 4,210."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def rounded(value: float) -> str:
    """Return a number of rows with two digits that count: 240,000."""
    size = 10 ** max(0, len(str(int(value))) - 2)
    return f"{round(value / size) * size:,}"


def spread(times: Times) -> str:
    """Return the median with the 95th percentile."""
    return f"{number(times.median)} ({number(times.p95)})"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    shown = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *shown])


def sizes(result: Result) -> str:
    """Return the table of sizes on disk."""
    lines = []
    for each in result.stores[:2]:
        size = each.size
        name = each.name if size.files is None else "Iceberg"
        files = "" if size.files is None else str(size.files)
        a_row = (size.table_mb + size.index_mb) * 1e6 / result.rows
        indexes = number(size.index_mb) if size.index_mb else "none"
        lines.append([name, number(size.table_mb), indexes, files, number(a_row)])
    return table(["size on disk", "table, MB", "indexes, MB", "data files", "bytes an order"], lines)


def readings(result: Result) -> str:
    """Return the table of questions that change nothing."""
    lines = []
    for title in result.stores[0].warm:
        for each in result.stores:
            warm, cold = each.warm[title], each.cold[title]
            cpu = f"{number(warm.cpu_ms)} / {number(cold.cpu_ms)}"
            read = f"{number(warm.bytes / 1e6)} / {number(cold.bytes / 1e6)}"
            lines.append([title, each.name, spread(warm), spread(cold), cpu, read])
    head = ["question", "store", "warm, ms", "cold, ms", "CPU-ms warm / cold", "MB read warm / cold"]
    return table(head, lines)


def changes(result: Result) -> str:
    """Return the table of updates, and of the aggregate before and after them."""
    lines = [
        [title, each.name, spread(timing), number(timing.median / rows), number(timing.cpu_ms), number(written)]
        for title, rows in ((ONE, 1), (MANY, 1000))
        for each in result.stores
        for timing in [each.updates[title]]
        for written in [timing.bytes / 1e3]
    ]
    after = [
        [each.name, spread(each.warm[AGGREGATE]), spread(each.after)]
        for each in result.stores
        if each.after is not None
    ]
    return "\n\n".join(
        [
            table(["update", "store", "ms", "ms a row", "CPU-ms", "kB written"], lines),
            table([f"{AGGREGATE}, warm, ms", "before the updates", "after them"], after),
        ]
    )


def crowds(result: Result) -> str:
    """Return the table of clients that ask at once."""
    lines = [
        [title, each.name, number(found.rate), spread(found), number(found.cpu_ms)]
        for title in result.stores[0].crowds
        for each in result.stores
        for found in [each.crowds[title]]
    ]
    head = [f"{CLIENTS} clients at once, {CLIENTS_S:.0f} s", "store", "answers a second", "ms", "CPU-ms an answer"]
    return table(head, lines)


def growth(result: Result) -> str:
    """Return the table of the aggregate at each size, and from where on columns win."""
    lines = [
        [f"{size:,}", *(number(each.series[index]) for each in result.stores)]
        for index, size in enumerate(result.sizes)
    ]
    said = []
    for each, rows in result.crossovers():
        where = f"not faster up to {result.rows:,} orders"
        if rows is not None:
            where = f"faster than PostgreSQL from about {rounded(rows)} orders on"
        said.append(f"**{each.name}: {where}.**")
    head = ["orders", *(f"{each.name}, ms" for each in result.stores)]
    return f"{table(head, lines)}\n\n{' '.join(said)}"


def page(result: Result, machine: str, time: str) -> str:
    """Return what stands between the page's markers. `machine`: what measured; `time`: of the day."""
    loads = result.loads
    parts = [
        f"{result.rows:,} orders of 20 columns, `make bench only=stores scale={result.scale:g}`. Times are medians,"
        " with the 95th percentile in brackets (the slowest run, where there are fewer than 20). Machine: "
        f"{machine}; load while measuring {min(loads):.1f} to {max(loads):.1f}, {time} UTC.",
        sizes(result), readings(result), changes(result), crowds(result), growth(result),
    ]  # fmt: skip
    return "\n\n".join(parts)
