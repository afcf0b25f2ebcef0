"""Measure runs that find few changed rows in a large table: `make bench only=changes`.

Every tool has loaded the table before. Then rows are updated and added, and each tool merges them into its own table;
Trino, as its users would, counts what is then there. `make bench only=large` is 1 % of 10 million rows, without peers.
dlt is left out: its upsert takes more than ten minutes for the first load of two million rows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks import trino
from tests.benchmarks.cost import Cost, measure
from tests.benchmarks.ingestion import HERE, PACKAGES, PAGE, install
from tests.benchmarks.measure import machine, write
from tests.benchmarks.postgres import PASSWORD, Server, server
from tests.lake import BUCKET, Access, Database, prepare
from tests.lake import running as running_lake

MARKERS = ("<!-- changes: begin -->", "<!-- changes: end -->")
MARKERS_LARGE = ("<!-- large: begin -->", "<!-- large: end -->")
LARGE = {"rows": 10_000_000, "changed": 100_000, "new": 0}
SPREAD = 7919
"""Keys of updated rows are this far apart: prime, so that they touch the whole table."""
COUNTED = "select count(*), count(distinct id), sum(qty), sum(price) from {table}"


@dataclass
class Way:
    """A tool: its table in the lake, how it loads all, how it merges what was changed."""

    name: str
    table: str
    load: Sequence[str]
    merge: Sequence[str]
    environment: Mapping[str, str]
    costs: list[Cost] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    wrong: str | None = None


def ways(python: str, peers: Mapping[str, Path], running: Server, folder: Path) -> list[Way]:
    """Return what is compared."""
    contracts = folder / "contracts" / "bench"
    contracts.mkdir(parents=True)
    (contracts / "_source.yml").write_text("title: Bench\nkind: postgres\ntap: tap-bench\n")
    (contracts / "orders.yml").write_text("stream: orders\nkey: [id]\nwrite: merge\n")
    tap = {
        "host": running.host, "port": running.port, "database": "bench", "user": "postgres", "password": PASSWORD,
        "schema": "bench",
        "batch_config": {"encoding": {"format": "pipe"}, "storage": {"root": (folder / "pipes").as_uri()}},
    }  # fmt: skip
    target = {"namespace": "headwater", "contracts": str(contracts.parent)}
    for name, content in (("tap", tap), ("target", target), ("state", {})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    own = [
        "bash", "-c",
        f"set -o pipefail; cd {folder}; {python} -m tap_postgres_arrow.main --config tap.json --state state.json"
        f" | {python} -m target_iceberg.main --config target.json > states && tail -n 1 states > state.json",
    ]  # fmt: skip
    uri = {"PYTHONPATH": PACKAGES, "URI": running.uri("bench")}
    engines = [str(peers["engines"]), str(HERE / "ingestion_peers.py")]
    return [
        Way("**Headwater**, tap \\| target, `write: merge`", "headwater.orders", own, own, uri),
        Way("DuckDB 1.5.5, MERGE", "duck.orders", [*engines, "iceberg"], [*engines, "merge"], uri),
        Way("ADBC → pyiceberg, upsert", "adbc.orders", [*engines, "adbc"], [*engines, "upsert"], uri),
    ]


def fill(running: Server, rows: int) -> None:
    """Make the table, all of it in the past, and a database for the catalog."""
    with psycopg.connect(running.uri("postgres"), autocommit=True) as connection:
        connection.execute("create database bench")
        connection.execute("create database catalog")
    with psycopg.connect(running.uri("bench"), autocommit=True) as connection:
        text = (HERE / "ingestion.sql").read_text().replace("{rows}", str(rows)).replace("2023-11-01", "2020-11-01")
        connection.execute(text)
        connection.execute("vacuum (analyze, freeze) bench.orders")


def change(connection: psycopg.Connection[Any], rows: int, changed: int, new: int, number: int) -> None:
    """Update `changed` rows all over the table and add `new` ones; `number` counts the calls from 0 on."""
    connection.execute(
        "update bench.orders set qty = qty + 1, price = price + 0.01, status = 'returned', updated_at = now()"
        " where id in (select 1 + (g * %s::bigint + %s) %% %s from generate_series(1, %s) g)",
        (SPREAD, number * 131, rows, changed),
    )
    connection.execute(
        "insert into bench.orders select id + %s, now(), now(), customer_id, product_id, store_id, qty, price, status,"
        " city, email, is_gift from bench.orders where id <= %s",
        (rows + number * new, new),
    )


def stored(folder: Path) -> int:
    """Return the bytes in the lake."""
    return sum(path.stat().st_size for path in (folder / "store" / BUCKET).rglob("*") if path.is_file())


def merge(way: Way, folder: Path, reader: trino.Trino, expected: Sequence[Any]) -> None:
    """Let a tool merge what was changed; note its cost, and what Trino then finds."""
    before = stored(folder)
    way.costs.append(measure(way.merge, way.environment, folder / "log"))
    way.written.append(stored(folder) - before)
    started = time.monotonic()
    (found,) = reader.rows(COUNTED.format(table=way.table))
    way.read.append(time.monotonic() - started)
    if list(found) != list(expected):
        way.wrong = f"{found[0]:,} rows of {found[1]:,} keys, {expected[0]:,} are right"


def table(all_ways: Sequence[Way], failures: Mapping[str, str]) -> str:
    """Return the Markdown table; the first run of each is its warm-up and left out."""
    lines = [
        "| path | s | CPU-s | MB written | peak MB (PSS) | Trino counts all, s | rows are right |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in all_ways:
        if way.name in failures:
            continue
        costs = way.costs[1:]
        wall, cpu = (statistics.median(getattr(run, name) for run in costs) for name in ("wall", "cpu"))
        written, read = statistics.median(way.written[1:]) / 1e6, statistics.median(way.read[1:])
        right = "yes" if way.wrong is None else f"**no: {way.wrong}**"
        pss = max(run.pss for run in costs)
        lines.append(f"| {way.name} | {wall:.2f} | {cpu:.2f} | {written:,.2f} | {pss:,.0f} | {read:.1f} | {right} |")
    return "\n".join([*lines, "", *(f"{name} failed: {reason}." for name, reason in failures.items())])


def main() -> None:
    """Make the table, load it with each tool, measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="Python of the ingestion image's environment")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the peers' environments")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--changed", type=int, default=500)
    parser.add_argument("--new", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="1 %% of 10 million rows, without peers")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    if options.large:
        parser.set_defaults(**LARGE)
        options = parser.parse_args()
    peers = install(options.cache)
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name, server() as running:
        folder = Path(name)
        fill(running, options.rows)
        database = Database(running.host, running.port, "catalog", "postgres", PASSWORD)
        lake = prepare(folder, options.cache, database, Access())
        if lake is None:
            sys.exit("no images of MinIO and the catalog on this machine: make up builds them")
        failures: dict[str, str] = {}
        compared = ways(options.python, peers, running, folder)[: 1 if options.large else None]
        with running_lake(lake), trino.running(folder, options.cache, lake.access) as reader:
            os.environ |= lake.access.environment()
            for way in compared:
                attempt(way, failures, partial(measure, way.load, way.environment, folder / "log"))
                sys.stderr.write(f"{way.name}: loaded\n")
            with psycopg.connect(running.uri("bench"), autocommit=True) as connection:
                for number in range(options.runs + 1):
                    change(connection, options.rows, options.changed, options.new, number)
                    (expected,) = connection.execute(COUNTED.format(table="bench.orders")).fetchall()
                    for way in compared:
                        attempt(way, failures, partial(merge, way, folder, reader, expected))
    text = (
        f"{options.rows:,} rows of 12 columns, {options.changed:,} updated and {options.new:,} added before each of "
        f"{options.runs} runs, medians; Trino 476 with one node. Machine: {machine()}; load at the end "
        f"{os.getloadavg()[0]:.1f}, {datetime.now(UTC):%H:%M} UTC.\n\n{table(compared, failures)}"
    )
    if options.write:
        write(PAGE, text, MARKERS_LARGE if options.large else MARKERS)
    sys.stdout.write(text + "\n")


def attempt(way: Way, failures: dict[str, str], step: Callable[[], object]) -> None:
    """Take a step of a way that has not failed; note why it fails."""
    if way.name in failures:
        return
    try:
        step()
    except RuntimeError as error:
        failures[way.name] = str(error).strip().splitlines()[-1][:200]
        sys.stderr.write(f"{way.name}: {error}\n")


if __name__ == "__main__":
    main()
