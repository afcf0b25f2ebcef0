"""Measure how a complete read grows with the pods that share it: `make bench only=pods`. Needs root, for cgroups.

Each pod, a tap and a target, has a fixed part of a core, as by a limit of Kubernetes; PostgreSQL, the catalog and MinIO
have what is left of the machine. All pieces but the first are held back until every pod is there: the start is not
measured, the commit is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.ingestion import PACKAGES, PAGE, fill, lake
from tests.benchmarks.measure import machine, write
from tests.benchmarks.postgres import PASSWORD, Server, server
from tests.lake import Database

MARKERS = ("<!-- pods: begin -->", "<!-- pods: end -->")
PIECES = 25
PODS = (1, 2, 3, 4)
CPU = 0.25
"""Cores of a pod."""
PERIOD_US = 20_000
LONGEST_SECONDS = 300
QUEUE = "catalog"
"""The database of the queue: any will do."""


@contextmanager
def group(cpu: float) -> Iterator[Path]:
    """Yield the file that takes processes into a control group with so many cores, of either version."""
    root = Path("/sys/fs/cgroup")
    root = root / "cpu" if (root / "cpu").is_dir() else root
    folder = root / f"headwater-bench-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        quota = round(cpu * PERIOD_US)
        if (folder / "cpu.cfs_quota_us").exists():
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (folder / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        yield folder / "cgroup.procs"
    finally:
        folder.rmdir()


@dataclass(frozen=True)
class Bench:
    """What a run needs: Python of ingestion, the source, and a folder."""

    python: str
    running: Server
    folder: Path

    def start(self, stack: ExitStack, share: Mapping[str, Any], namespace: str) -> subprocess.Popen[bytes]:
        """Start a pod in a group of its own."""
        procs = stack.enter_context(group(CPU))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder)))
        tap = {
            "host": self.running.host, "port": self.running.port, "database": "bench", "user": "postgres",
            "password": PASSWORD, "schema": "bench", "readers": 1,
            "batch_config": {"encoding": {"format": "pipe"}, "storage": {"root": (folder / "pipes").as_uri()}},
            "share": json.dumps(share), "share_database": self.running.uri(QUEUE),
        }  # fmt: skip
        (folder / "tap.json").write_text(json.dumps(tap))
        (folder / "target.json").write_text(json.dumps({"namespace": namespace}))
        command = (
            f"echo $$ > {procs}; set -o pipefail; {self.python} -m tap_postgres_arrow.main --config {folder}/tap.json"
            f" | {self.python} -m target_iceberg.main --config {folder}/target.json"
        )
        log = stack.enter_context((self.folder / f"{namespace}.log").open("ab"))
        return subprocess.Popen(
            ["bash", "-c", command], env={**os.environ, "PYTHONPATH": PACKAGES}, stdout=subprocess.DEVNULL, stderr=log
        )

    def seconds(self, pods: int) -> float:
        """Return how long `pods` take for all pieces but the first, and the commit."""
        share, namespace = str(uuid.uuid4()), f"pods_{uuid.uuid4().hex[:8]}"
        with ExitStack() as stack:
            leads = {"id": share, "pods": PIECES - 1, "request": str(self.folder / share), "least_bytes": 1}
            leader = self.start(stack, leads, namespace)
            with psycopg.connect(self.running.uri(QUEUE), autocommit=True) as held:
                self._until(held, "select to_regclass('headwater_piece') is not null")
                self._until(held, f"select count(*) = {PIECES} from headwater_piece where share = '{share}'")
                held.execute("select pg_advisory_lock(hashtext(%s), n) from generate_series(1, %s) n", [share, PIECES])
                others = [self.start(stack, {"id": share, "reads": True}, namespace) for _ in range(1, pods)]
                self._until(
                    held,
                    "select count(*) from pg_stat_activity where application_name = 'headwater-ingestion'"
                    f" and datname = current_database() having count(*) = {pods}",
                )
                self._until(held, f"select true from headwater_piece where share = '{share}' and result is not null")
                time.sleep(12)  # the others connect to the source, and their targets to the catalog
            started = time.monotonic()
            codes = [leader.wait(LONGEST_SECONDS)]
            took = time.monotonic() - started
            codes += [other.wait(LONGEST_SECONDS) for other in others]
        if any(codes):
            raise RuntimeError((self.folder / f"{namespace}.log").read_text()[-2000:])
        return took

    @staticmethod
    def _until(connection: psycopg.Connection[Any], sql: str) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < deadline:
            found = connection.execute(sql.encode()).fetchone()
            if found is not None and found[0]:
                return
            time.sleep(0.02)
        raise RuntimeError(f"did not come: {sql}")


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="Python of the ingestion image's environment")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the peers' environments")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    moved = options.rows * (PIECES - 1) // PIECES
    lines = ["| pods | s | rows/s | times one pod |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name, server() as running:
        fill(running, options.rows)
        database = Database(running.host, running.port, "catalog", "postgres", PASSWORD)
        with lake(Path(name), options.cache, database) as used:
            os.environ |= used.environment
            bench = Bench(options.python, running, Path(name))
            alone = 0.0
            for pods in PODS:
                took = min(bench.seconds(pods) for _ in range(2))
                alone = alone or took
                lines.append(f"| {pods} | {took:.1f} | {moved / took:,.0f} | {alone / took:.2f} |")
                sys.stderr.write(lines[-1] + "\n")
    text = (
        f"{moved:,} rows of 12 columns, {CPU} of a core a pod, the better of two runs; lake: {used.name}. Machine: "
        f"{machine()}; load at the end {os.getloadavg()[0]:.1f}, {datetime.now(UTC):%H:%M} UTC.\n\n" + "\n".join(lines)
    )
    if options.write:
        write(PAGE, text, MARKERS)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
