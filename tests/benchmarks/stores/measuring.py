"""Ask the readers, note what it took, and find from how many rows on one is faster than another."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.stores import questions
from tests.benchmarks.stores.readers import Reader

AGGREGATE = "monthly aggregate"
LONGEST_S = 10.0
"""No question is repeated for longer than this, once it was asked FEWEST times."""
FEWEST = 3
WARM_UPS, WARM_UP_S = 10, 5.0
"""Unmeasured runs before the warm ones: a JVM compiles what it runs often."""
CLIENTS = 8
CLIENTS_S = 10.0
OWN_KEYS = 12
"""Keys of each client."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of each run, and the mean CPU milliseconds that the servers had for one."""

    ms: Sequence[float]
    cpu_ms: float

    @property
    def median(self) -> float:
        return statistics.median(self.ms)

    @property
    def p95(self) -> float:
        """The 95th of 100 by nearest rank: the slowest, where there are fewer than 20."""
        return sorted(self.ms)[math.ceil(0.95 * len(self.ms)) - 1]


@dataclass(frozen=True)
class Timing(Times):
    """Runs of one client, and the bytes that one of them read, or wrote."""

    bytes: float


@dataclass(frozen=True)
class Throughput(Times):
    """Answers to several clients at once, and how many there were in a second."""

    rate: float


@dataclass(frozen=True)
class Question:
    """A question that changes nothing; `runs` and `cold` say how often it is asked. The keys are asked for in turn."""

    title: str
    template: str
    runs: int
    cold: int
    keys: Sequence[int] = (0,)

    def sql(self, table: str, number: int) -> str:
        """Return the SQL of a run."""
        return self.template.format(table=table, key=self.keys[number % len(self.keys)])


def reading(rows: int) -> tuple[Question, Question, Question]:
    """Return the questions: lookup, aggregate, wide scan."""
    keys = questions.keys(CLIENTS * OWN_KEYS, rows, seed=1)
    return (
        Question("point lookup by key", questions.LOOKUP, 1000, 5, keys),
        Question(AGGREGATE, questions.AGGREGATE, 20, 5),
        Question("wide scan, all columns", questions.WIDE, 10, 3),
    )


def repeat(ask: Callable[[int], float], runs: int, longest_s: float = LONGEST_S) -> list[float]:
    """Return what `ask` returned for 0, 1, …: `runs` times, or fewer where it takes long."""
    started, found = time.monotonic(), []
    for number in range(runs):
        if number >= FEWEST and time.monotonic() - started > longest_s:
            break
        found.append(ask(number))
    return found


def warm(reader: Reader, question: Question, table: str) -> Timing:
    """Return the timing of a question whose data is in memory as far as the engine keeps it there."""
    name = reader.table(table)

    def ask(number: int) -> float:
        return reader.ask(question.sql(name, number))[0]

    repeat(ask, WARM_UPS, WARM_UP_S)
    before = reader.cpu_ms()
    ms = repeat(ask, question.runs)
    cpu = (reader.cpu_ms() - before) / len(ms)
    return Timing(ms, cpu, reader.bytes_read(question.sql(name, 0)))


def cold(reader: Reader, question: Question, table: str) -> Timing:
    """Return the timing of a question whose data is on the disk only."""
    name = reader.table(table)
    cpu = 0.0

    def ask(number: int) -> float:
        nonlocal cpu
        reader.cold()
        before = reader.cpu_ms()
        ms, _ = reader.ask(question.sql(name, number))
        cpu += reader.cpu_ms() - before
        return ms

    ms = repeat(ask, question.cold)
    reader.cold()
    return Timing(ms, cpu / len(ms), reader.bytes_read(question.sql(name, 0)))


def together(reader: Reader, question: Question, table: str) -> Throughput:
    """Return what several clients get of one question, each with keys of its own."""
    name = reader.table(table)
    queries = [[question.sql(name, client * OWN_KEYS + key) for key in range(OWN_KEYS)] for client in range(CLIENTS)]
    before = reader.cpu_ms()
    found = reader.crowd(queries, CLIENTS_S)
    return Throughput(found.ms, (reader.cpu_ms() - before) / len(found.ms), found.rate)


def updates(reader: Reader, rows: int, *, statements: int, each: int) -> Timing:
    """Return the timing of statements that update `each` rows by key; all readers get the same keys.

    Raises RuntimeError where the table does not show them afterwards.
    """
    table = reader.table("orders")
    chosen = questions.keys(statements * each, rows, seed=1000 + each)
    groups = [chosen[start : start + each] for start in range(0, len(chosen), each)]
    count, fees = fees_of(reader)
    written, before = reader.bytes_written(), reader.cpu_ms()
    ms = repeat(
        lambda n: reader.ask(questions.UPDATE.format(table=table, keys=", ".join(map(str, groups[n]))))[0], len(groups)
    )
    cpu = (reader.cpu_ms() - before) / len(ms)
    timing = Timing(ms, cpu, (reader.bytes_written() - written) / len(ms))
    done = sum(len(group) for group in groups[: len(ms)])
    if fees_of(reader) != (count, fees + done):
        raise RuntimeError(f"{reader.name}: {done} rows were updated, and the table does not show it")
    return timing


def fees_of(reader: Reader) -> tuple[int, int]:
    """Return how many orders there are, and the sum of their fees in cents."""
    _, ((count, fees),) = reader.ask(questions.FEES.format(table=reader.table("orders")))
    return int(count), round(float(fees) * 100)


def side_by_side(readers: Sequence[Reader], table: str, runs: int) -> list[float]:
    """Return each reader's median milliseconds of the warm aggregate: they ask in turn, so under the same load."""
    found: list[list[float]] = [[] for _ in readers]
    queries = [questions.AGGREGATE.format(table=reader.table(table)) for reader in readers]

    def ask_all(_number: int) -> float:
        for reader, query, times in zip(readers, queries, found, strict=True):
            times.append(reader.ask(query)[0])
        return sum(times[-1] for times in found)

    warm_ups = len(repeat(ask_all, FEWEST))
    repeat(ask_all, runs, len(readers) * LONGEST_S)
    return [statistics.median(times[warm_ups:]) for times in found]


def crossover(sizes: Sequence[int], rows_ms: Sequence[float], columns_ms: Sequence[float]) -> float | None:
    """Return from how many rows on the columns are faster at every larger size that was measured.

    Between two sizes both times are taken for straight lines on logarithmic scales. None: they are not faster at the
    largest size. The smallest size: they are faster everywhere.
    """
    ahead = [math.log(columns / rows) for rows, columns in zip(rows_ms, columns_ms, strict=True)]
    if ahead[-1] >= 0:
        return None
    pairs = list(itertools.pairwise(zip(map(math.log, sizes), ahead, strict=True)))
    for (low, behind), (high, before) in reversed(pairs):
        if behind >= 0:
            return math.exp(low + (high - low) * behind / (behind - before))
    return float(sizes[0])
