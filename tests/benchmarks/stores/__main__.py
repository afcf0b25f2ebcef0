"""Measure rows against columns and write docs/rows-and-columns.md with its charts: `make bench only=stores`.

The orders of the example's shop, one row an order, are in a private PostgreSQL and in Iceberg on a private lake, where
Trino and DuckDB read them. Nothing of a running stack is used. Times hold for the machine and its load, both on the
page; compare within one run. Nothing here is asserted, but that all stores answer alike.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from localstack.console import Console
from localstack.errors import LocalError, StepFailed
from localstack.home import Home
from tests.benchmarks.ingestion import ROOT
from tests.benchmarks.measure import machine, write
from tests.benchmarks.stores import charts, lake, questions
from tests.benchmarks.stores.measuring import CLIENTS, CLIENTS_S, cold, reading, side_by_side, together, updates, warm
from tests.benchmarks.stores.readers import Reader
from tests.benchmarks.stores.result import MANY, ONE, Found, Result, Size, page

PAGE = ROOT / "docs" / "rows-and-columns.md"
IMAGES = ROOT / "docs" / "images"


def size(reader: Reader, trino: Reader) -> Size:
    """Return the size of the orders in a reader's store."""
    if reader.colour == "rows":
        _, ((heap, indexes),) = reader.ask("select pg_table_size('shop.orders'), pg_indexes_size('shop.orders')")
        return Size(int(heap) / 1e6, int(indexes) / 1e6)
    _, ((stored, files),) = trino.ask('select sum(file_size_in_bytes), count(*) from lake.stores."orders$files"')
    return Size(int(stored) / 1e6, files=int(files))


def measure(console: Console, scale: float, rows: int, readers: list[Reader]) -> Result:
    """Ask everything: question by question, so that the readers meet about the same load."""
    sizes = questions.sizes(rows)
    stores = [Found(each.name, each.colour, size(each, readers[1])) for each in readers]
    result = Result(scale, rows, sizes, stores)
    lookup, aggregate, wide = reading(rows)

    pairs = list(zip(readers, stores, strict=True))

    @contextmanager
    def step(reader: Reader, title: str, estimate_s: float) -> Iterator[None]:
        with console.step(f"{reader.name}: {title}", estimate_s=estimate_s):
            yield
        result.loads.append(os.getloadavg()[0])

    for question in (lookup, aggregate, wide):
        for reader, found in pairs:
            with step(reader, question.title, 15 * max(1, scale)):
                found.warm[question.title] = warm(reader, question, "orders")
                found.cold[question.title] = cold(reader, question, "orders")
    for number in sizes:
        with console.step(f"All in turn: {aggregate.title} of {number:,} orders", estimate_s=5):
            for found, ms in zip(stores, side_by_side(readers, questions.name(number, rows), runs=9), strict=True):
                found.series.append(ms)
        result.loads.append(os.getloadavg()[0])
    for question in (lookup, aggregate):
        for reader, found in pairs:
            with step(reader, f"{question.title}, {CLIENTS} clients", CLIENTS_S):
                found.crowds[question.title] = together(reader, question, "orders")
    for title, statements, count in ((ONE, 20, 1), (MANY, 3, 1000)):
        for reader, found in pairs:
            with step(reader, title, 20):
                found.updates[title] = updates(reader, rows, statements=statements, each=count)
    for reader, found in pairs:
        with step(reader, f"{aggregate.title}, after the updates", 10):
            found.after = warm(reader, aggregate, "orders")
    return result


def publish(console: Console, result: Result, text: str) -> None:
    """Write the page's part for this scale, if it has one, and its charts."""
    name = f"{result.scale:g}"
    markers = (f"<!-- stores {name}: begin -->", f"<!-- stores {name}: end -->")
    if markers[0] not in PAGE.read_text():
        console.say(f"{PAGE} has no place for scale {name}, so nothing is written there")
        return
    write(PAGE, text, markers)
    for chart, drawn in (("growth", charts.growth(result)), ("questions", charts.comparison(result))):
        (IMAGES / f"stores-{name}-{chart}.svg").write_text(drawn)


def run(console: Console, options: argparse.Namespace) -> None:
    """Measure, print, and write the page if asked to. LocalError for what is missing, StepFailed for what failed."""
    lake.check_machine(console, options.cache, Path(tempfile.gettempdir()), options.scale)
    used = lake.pythons(console, options.python, options.sources, options.cache)
    with (
        tempfile.TemporaryDirectory(prefix="headwater-bench-") as folder,
        lake.readers(console, used, Path(folder), options.cache, options.scale) as (rows, readers),
    ):
        result = measure(console, options.scale, rows, readers)
    text = page(result, machine(), f"{datetime.now(UTC):%H:%M}")
    raw = options.cache / f"stores-{options.scale:g}.json"
    raw.write_text(json.dumps(dataclasses.asdict(result), indent=1))
    if options.write:
        publish(console, result, text)
    console.say(text)
    console.say(f"each single time is in {raw}")


def main() -> int:
    """Return 0, 1 where something is missing or failed, 130 when interrupted: then nothing is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="Python of the ingestion image's environment")
    parser.add_argument("--sources", type=Path, required=True, help="Python of the sources image's environment")
    parser.add_argument("--cache", type=Path, required=True, help="folder of what is kept between runs")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 1,000,000 orders")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/rows-and-columns.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    again = f"make bench only=stores scale={options.scale:g}"
    console = Console("bench-stores", Home.default().logs, resume=again, plain=True)
    try:
        run(console, options)
    except StepFailed as error:
        console.report(error)
        return 1
    except LocalError as error:
        console.report(StepFailed("rows against columns", str(error), console.log, again))
        return 1
    except KeyboardInterrupt:
        console.say(f"Stopped: nothing is written, and the private servers are gone. From the beginning: {again}")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
