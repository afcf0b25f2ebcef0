"""Measure Postgres → Iceberg side by side and write the table of docs/benchmarks.md: `make bench only=ingestion`.

A private PostgreSQL is started, and a private lake (lake.py). The peers are installed from their lock files in peers/
into environments of their own, which are kept. Each way runs once unmeasured, then `--runs` times; the median by CPU is
shown. CPU seconds stand firm on a busy machine; rows a second are to be read beside those of `COPY`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.cost import Cost, measure
from tests.benchmarks.measure import machine, write
from tests.benchmarks.postgres import PASSWORD, Server, server
from tests.lake import Access, Database, prepare
from tests.lake import running as running_lake

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
MARKERS = ("<!-- ingestion: begin -->", "<!-- ingestion: end -->")
PEERS = ("engines", "dlt", "sling")
RECORDS = 200_000
"""Rows of the slow ways: at a rate of records, the whole table takes minutes."""
INGESTION = ROOT / "pipeline_code" / "ingestion"
PACKAGES = os.pathsep.join(str(path) for path in sorted((INGESTION / "packages").iterdir()))


@dataclass(frozen=True)
class Way:
    """A way to move the table. `parts`: files that measured parts write, whose sum is its cost (else the whole).

    `rows`, if not all, is how many it moves.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    parts: Path | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Lake:
    """What it is called in tables, its settings as pyiceberg's environment, and whether it has a REST catalog."""

    name: str
    environment: dict[str, str]
    rest: bool


@contextmanager
def lake(folder: Path, cache: Path, database: Database) -> Iterator[Lake]:
    """Yield a running lake in `folder`: that of the images if they are here, else a folder with a SQL catalog."""
    found = prepare(folder, cache, database, Access())
    if found is None:
        prefix = "PYICEBERG_CATALOG__LAKE__"
        settings = {"TYPE": "sql", "URI": f"sqlite:///{folder}/catalog.db", "WAREHOUSE": f"file://{folder}/warehouse"}
        environment = {prefix + name: value for name, value in settings.items()}
        yield Lake("a folder with a SQL catalog", environment, rest=False)
        return
    with running_lake(found):
        yield Lake("Iceberg REST server and MinIO of this repository's images", found.access.environment(), rest=True)


def cost(way: Way, log: Path) -> Cost:
    """Run a way once and return its cost."""
    if way.parts is not None:
        shutil.rmtree(way.parts, ignore_errors=True)
        way.parts.mkdir()
    whole = measure(way.command, way.environment, log)
    if way.parts is None:
        return whole
    parts = [json.loads(path.read_text()) for path in way.parts.glob("*.json")]
    wall = max(part["end"] for part in parts) - min(part["start"] for part in parts)
    return Cost(wall, sum(part["cpu"] for part in parts), sum(p["rss"] for p in parts), float("nan"))


PART = """#!{python}
import json, os, sys, time
start = time.time()
os.environ["PYTHONPATH"] = {packages!r}
child = os.spawnv(os.P_NOWAIT, {python!r}, [{python!r}, "-m", {module!r}, *sys.argv[1:]])
_, status, usage = os.wait4(child, 0)
if "BENCH_PARTS" in os.environ and not {{"--discover", "--about", "--version"}} & set(sys.argv):
    with open(os.path.join(os.environ["BENCH_PARTS"], "{name}.json"), "w") as file:
        json.dump({{"start": start, "end": time.time(), "cpu": usage.ru_utime + usage.ru_stime,
                   "rss": usage.ru_maxrss / 1024}}, file)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Stands for a plugin's command, so that Meltano's own cost can be told from the plugins'."""


def ways(python: str, peers: Mapping[str, Path], running: Server, folder: Path, *, rest: bool) -> Iterator[Way]:
    """Yield what is compared. Without a REST catalog, some peers have nothing to write to."""
    uri = running.uri("bench")
    programs = folder / "bin"
    programs.mkdir()
    modules = {
        "tap-postgres-arrow": "tap_postgres_arrow.main",
        "target-iceberg": "target_iceberg.main",
        "target-iceberg-tables": "target_iceberg.admin",
    }
    for name, module in modules.items():
        (programs / name).write_text(PART.format(python=python, module=module, name=name, packages=PACKAGES))
        (programs / name).chmod(0o755)
    tap = {
        "host": running.host, "port": running.port, "database": "bench", "user": "postgres", "password": PASSWORD,
        "schema": "bench",
        "batch_config": {"encoding": {"format": "pipe"}, "storage": {"root": (folder / "pipes").as_uri()}},
    }  # fmt: skip
    own = {"PYTHONPATH": PACKAGES, "URI": uri}

    def pipe(name: str, **changes: Any) -> list[str]:
        config = {key: value for key, value in {**tap, **changes}.items() if value is not None}
        (folder / f"{name}-tap.json").write_text(json.dumps(config))
        (folder / f"{name}-target.json").write_text(json.dumps({"namespace": name}))
        command = (
            f"set -o pipefail; {python} -m tap_postgres_arrow.main --config {folder}/{name}-tap.json"
            f" | {python} -m target_iceberg.main --config {folder}/{name}-target.json"
        )
        return ["bash", "-c", command]

    engines = [str(peers["engines"]), str(HERE / "ingestion_peers.py")]
    copy = "copy bench.orders to stdout (format binary)"
    yield Way("`COPY` binary, thrown away (limit)", ["psql", uri, "-qc", copy, "-o", "/dev/null"])
    yield Way("DuckDB → one Parquet file, no Iceberg commit", [*engines, "duckdb", str(folder / "duck.parquet")], own)
    yield Way("**Headwater**, tap \\| target", pipe("pipe"), own)
    meltano = {
        **own,
        "PATH": os.pathsep.join([str(programs), str(Path(python).parent), os.environ["PATH"]]),
        "MELTANO_PROJECT_ROOT": str(INGESTION),
        "MELTANO_SYS_DIR_ROOT": str(folder / "meltano"),
        "BENCH_PARTS": str(folder / "parts"),
        "TARGET_ICEBERG_NAMESPACE": "meltano",
        "TAP_SHOP_SCHEMA": "bench",
        "SHOP_HOST": running.host,
        "SHOP_PORT": str(running.port),
        "SHOP_DATABASE": "bench",
        "SHOP_USER": "postgres",
        "SHOP_PASSWORD": PASSWORD,
    }
    ingest = [python, "-m", "headwater_ingest.main", "--full-refresh"]
    yield Way("**Headwater**, `meltano run`: tap and target", ingest, meltano, parts=folder / "parts")
    yield Way("**Headwater**, `meltano run`: everything", ingest, meltano)
    yield Way("Headwater, the same table through Arrow", pipe("arrow", batch_config={
        **tap["batch_config"], "encoding": {"format": "arrow"}}), own)  # fmt: skip
    if rest:
        yield Way("DuckDB 1.5.5, postgres → iceberg extensions", [*engines, "iceberg"], own)
    yield Way("ADBC → pyiceberg, one process", [*engines, "adbc"], own)
    if rest:
        for backend in ("connectorx", "pyarrow"):
            work = folder / f"dlt-{backend}"
            work.mkdir()
            dlt = [str(peers["dlt"]), str(HERE / "ingestion_peers.py"), "dlt", backend, str(work)]
            yield Way(f"dlt 1.31, {backend}", dlt, own)
        (sling,) = (peers["sling"].parents[1] / "lib").glob("*/site-packages/sling_linux_amd64/bin/sling-linux-amd64")
        yield Way("sling 1.4.11", [*engines, "sling", str(sling)], own)
    yield Way(
        f"plain Singer records ({RECORDS:,} rows)", pipe("records", schema="few", batch_config=None), own, rows=RECORDS
    )


def table(costs: Mapping[str, Sequence[Cost]], rows: Mapping[str, int], failures: Mapping[str, str]) -> str:
    """Return the Markdown table; ways that failed stand below it."""
    limit = next(iter(costs))
    fastest = rows[limit] / statistics.median(run.wall for run in costs[limit])
    lines = [
        "| path | rows/s | of `COPY` | CPU-s per M rows | peak MB (RSS) | peak MB (PSS) |",
        "|---|---|---|---|---|---|",
    ]
    for name, runs in costs.items():
        cpu = statistics.median(run.cpu for run in runs) / rows[name] * 1e6
        rate = rows[name] / statistics.median(run.wall for run in runs)
        pss = max(run.pss for run in runs)
        shown = "" if pss != pss else f"{pss:,.0f}"  # noqa: PLR0124 - not a number
        rss = max(run.rss for run in runs)
        lines.append(f"| {name} | {rate:,.0f} | {rate / fastest:.0%} | {cpu:.2f} | {rss:,.0f} | {shown} |")
    return "\n".join([*lines, "", *(f"{name} failed: {reason}." for name, reason in failures.items())])


def check(python: str, rows: int) -> None:
    """Raise unless what Headwater loaded is what the source holds, in its types."""
    command = [python, str(HERE / "ingestion_peers.py"), "check", str(rows)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": PACKAGES})


def install(cache: Path, names: Sequence[str] = PEERS) -> dict[str, Path]:
    """Make the peers' environments, once for each lock file; return their Pythons."""
    found = {}
    for name in names:
        lock = HERE / "peers" / f"{name}.lock"
        place = cache / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
        found[name] = place / "bin" / "python"
        if not (place / ".complete").exists():
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "-q", "--clear", "--python", "3.11", place], check=True)
            command = [*uv, "pip", "install", "-q", "--compile-bytecode", "--require-hashes", "--python", found[name]]
            subprocess.run([*command, "-r", lock], check=True)
            (place / ".complete").touch()
    return found


def fill(running: Server, rows: int) -> None:
    """Make the tables: `bench.orders`, its first rows in `few.orders`, and a database for the catalog."""
    with psycopg.connect(running.uri("postgres"), autocommit=True) as connection:
        connection.execute("create database bench")
        connection.execute("create database catalog")
    with psycopg.connect(running.uri("bench"), autocommit=True) as connection:
        connection.execute((HERE / "ingestion.sql").read_text().replace("{rows}", str(rows)))
        connection.execute("create schema few")
        connection.execute("create table few.orders (like bench.orders including all)")
        connection.execute(f"insert into few.orders select * from bench.orders where id <= {RECORDS}")
        connection.execute("vacuum (analyze, freeze) bench.orders")


def main() -> None:
    """Make the table, measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="Python of the ingestion image's environment")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the peers' environments")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", default="", help="regular expression: measure those whose names it is found in")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    peers = install(options.cache)
    costs: dict[str, list[Cost]] = {}
    failures: dict[str, str] = {}
    rows: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name, server() as running:
        fill(running, options.rows)
        folder = Path(name)
        database = Database(running.host, running.port, "catalog", "postgres", PASSWORD)
        with lake(folder, options.cache, database) as used:
            os.environ |= used.environment
            for way in ways(options.python, peers, running, folder, rest=used.rest):
                if not re.search(options.ways, way.name):
                    continue
                rows[way.name] = options.rows if way.rows is None else way.rows
                try:
                    runs = [cost(way, folder / "log") for _ in range(options.runs + 1)]
                except RuntimeError as error:
                    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
                    failures[way.name] = plain.strip().splitlines()[-1][:200]
                    sys.stderr.write(f"{way.name}: {error}\n")
                    continue
                costs[way.name] = runs[1:]
                sys.stderr.write(f"{way.name}: {runs[1:]}\n")
            if not options.ways:
                check(options.python, options.rows)
    load = os.getloadavg()[0]
    text = (
        f"{options.rows:,} rows of 12 columns, median of {options.runs} runs; lake: {used.name}. Machine: {machine()}; "
        f"load at the end {load:.1f}; Python {platform.python_version()}, {datetime.now(UTC):%H:%M} UTC.\n\n"
        f"{table(costs, rows, failures)}"
    )
    if options.write:
        write(PAGE, text, MARKERS)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
