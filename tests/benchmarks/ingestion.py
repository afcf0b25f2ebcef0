"""Measure Postgres → Iceberg side by side and write the table of docs/ingestion.md.

    python -m tests.benchmarks.ingestion --python PYTHON [--rows 2000000] [--runs 3] [--write]

PYTHON is that of the ingestion image's environment (requirements/test.lock). A private PostgreSQL is started; the
lake is a folder with a SQL catalog, or whatever PYICEBERG_CATALOG__LAKE__… names. Each way runs once unmeasured, then
`--runs` times; the median by CPU is shown. CPU seconds stand firm on a busy machine, rows a second do not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.benchmarks.measure import machine, write
from tests.benchmarks.postgres import PASSWORD, Server, server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "ingestion.md"
INGESTION = ROOT / "pipeline_code" / "ingestion"
PACKAGES = os.pathsep.join(str(path) for path in sorted((INGESTION / "packages").iterdir()))
PEERS = [
    "adbc-driver-manager==1.13.0",
    "adbc-driver-postgresql==1.13.0",
    "duckdb==1.5.5",
    "duckdb-extension-postgres-scanner==1.5.5",
    "pyarrow==26.0.1",
    "pyiceberg[pyarrow,pyiceberg-core,sql-sqlite]==0.12.0",
]
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """One run: wall and CPU seconds, and the greatest memory of its processes together in MiB (RSS and PSS)."""

    wall: float
    cpu: float
    rss: float
    pss: float


@dataclass(frozen=True)
class Way:
    """A way to move the table. `parts`: files that measured parts write, whose sum is its cost (else the whole)."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    parts: Path | None = None


def descendants(process: int) -> list[int]:
    """Return the process ids of a tree, its root included."""
    found = [process]
    for parent in found:
        try:
            found += [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        except FileNotFoundError:
            continue
    return found


def memory(process: int) -> tuple[float, float]:
    """Return RSS and PSS of a process tree in MiB."""
    total = {"Rss:": 0, "Pss:": 0}
    for each in descendants(process):
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for line in lines:
            key, value, *_ = [*line.split(), "0"]
            if key in total:
                total[key] += int(value)
    return total["Rss:"] / 1024, total["Pss:"] / 1024


def measure(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end. Raises RuntimeError with the end of its output when it fails."""
    peak = [0.0, 0.0]
    ended = threading.Event()

    def watch(process: int) -> None:
        while not ended.wait(SAMPLE_SECONDS):
            peak[:] = [max(pair) for pair in zip(peak, memory(process), strict=True)]

    with log.open("wb") as output:
        started = time.monotonic()
        child = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
        watcher = threading.Thread(target=watch, args=(child.pid,))
        watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
        ended.set()
        watcher.join()
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{log.read_text(errors='replace')[-3000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, *peak)


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


def ways(python: str, peers: str, running: Server, folder: Path) -> Iterator[Way]:
    """Yield what is compared."""
    uri = f"postgresql://postgres:{PASSWORD}@{running.host}:{running.port}/bench"
    programs = folder / "bin"
    programs.mkdir()
    modules = {
        "tap-postgres-arrow": "tap_postgres_arrow.main",
        "target-iceberg": "target_iceberg.target",
        "target-iceberg-tables": "target_iceberg.admin",
    }
    for name, module in modules.items():
        (programs / name).write_text(PART.format(python=python, module=module, name=name, packages=PACKAGES))
        (programs / name).chmod(0o755)
    tap = {
        "host": running.host, "port": running.port, "database": "bench", "user": "postgres", "password": PASSWORD,
        "schema": "bench",
        "batch_config": {"encoding": {"format": "arrow"}, "storage": {"root": (folder / "pipes").as_uri()}},
    }  # fmt: skip
    (folder / "tap.json").write_text(json.dumps(tap))
    (folder / "target.json").write_text(json.dumps({"namespace": "pipe", "validate_records": False}))
    own = {"PYTHONPATH": PACKAGES, "URI": uri}
    copy = "copy bench.orders to stdout (format binary)"
    yield Way("`COPY` binary, thrown away (limit)", ["psql", uri, "-qc", copy, "-o", "/dev/null"])
    duck = [peers, str(HERE / "ingestion_peers.py"), "duckdb", str(folder / "duck.parquet")]
    yield Way("DuckDB → one Parquet file, no Iceberg commit", duck, own)
    pipe = (
        f"set -o pipefail; {python} -m tap_postgres_arrow.main --config {folder}/tap.json"
        f" | {python} -m target_iceberg.target --config {folder}/target.json"
    )
    yield Way("Headwater, tap \\| target", ["bash", "-c", pipe], own)
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
    yield Way("Headwater, `meltano run`: tap and target", ingest, meltano, parts=folder / "parts")
    yield Way("Headwater, `meltano run`: everything", ingest, meltano)
    yield Way("ADBC → pyiceberg, one process", [peers, str(HERE / "ingestion_peers.py"), "adbc"], own)


def table(costs: Mapping[str, Sequence[Cost]], rows: int) -> str:
    """Return the Markdown table."""
    lines = ["| path | rows/s | CPU-s per M rows | peak MB (RSS) | peak MB (PSS) |", "|---|---|---|---|---|"]
    for name, runs in costs.items():
        cpu = statistics.median(run.cpu for run in runs) / rows * 1e6
        wall = statistics.median(run.wall for run in runs)
        pss = max(run.pss for run in runs)
        shown = "" if pss != pss else f"{pss:,.0f}"  # noqa: PLR0124 - not a number
        lines.append(f"| {name} | {rows / wall:,.0f} | {cpu:.2f} | {max(run.rss for run in runs):,.0f} | {shown} |")
    return "\n".join(lines)


def check(python: str, rows: int) -> None:
    """Raise unless what Headwater loaded is what the source holds, in its types."""
    command = [python, str(HERE / "ingestion_peers.py"), "check", str(rows)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": PACKAGES})


@contextmanager
def lake(folder: Path) -> Iterator[None]:
    """Name a lake in a folder, unless the environment names one."""
    if "PYICEBERG_CATALOG__LAKE__TYPE" not in os.environ:
        os.environ["PYICEBERG_CATALOG__LAKE__TYPE"] = "sql"
        os.environ["PYICEBERG_CATALOG__LAKE__URI"] = f"sqlite:///{folder}/catalog.db"
        os.environ["PYICEBERG_CATALOG__LAKE__WAREHOUSE"] = f"file://{folder}/warehouse"
    yield


def main() -> None:
    """Make the table, measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="Python of the ingestion image's environment")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write the table into docs/ingestion.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name, server() as running:
        folder = Path(name)
        with lake(folder):
            peers = folder / "peers"
            subprocess.run([sys.executable, "-m", "uv", "venv", "-q", "--python", "3.11", peers], check=True)
            install = [sys.executable, "-m", "uv", "pip", "install", "-q", "--compile-bytecode", "--python", peers]
            subprocess.run([*install, *PEERS], check=True)
            with psycopg.connect(running.uri("postgres"), autocommit=True) as connection:
                connection.execute("create database bench")
            with psycopg.connect(running.uri("bench"), autocommit=True) as connection:
                connection.execute((HERE / "ingestion.sql").read_text().replace("{rows}", str(options.rows)))
                connection.execute("vacuum (analyze, freeze) bench.orders")
            costs: dict[str, list[Cost]] = {}
            for way in ways(options.python, str(peers / "bin" / "python"), running, folder):
                runs = [cost(way, folder / "log") for _ in range(options.runs + 1)]
                costs[way.name] = runs[1:]
                sys.stderr.write(f"{way.name}: {runs[1:]}\n")
            check(options.python, options.rows)
    load = os.getloadavg()[0]
    text = (
        f"{options.rows:,} rows of 12 columns, median of {options.runs} runs; lake: "
        f"{os.environ['PYICEBERG_CATALOG__LAKE__TYPE']} catalog. Machine: {machine()}; load at the end {load:.1f}; "
        f"Python {platform.python_version()}, {datetime.now(UTC):%H:%M} UTC.\n\n{table(costs, options.rows)}"
    )
    if options.write:
        write(PAGE, text)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
