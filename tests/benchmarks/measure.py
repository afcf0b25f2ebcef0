"""Measure the running dev stack and write the tables of docs/benchmarks.md: `make bench`.

Wall seconds on a shared machine are noisy: CPU seconds stand beside them wherever the work runs as our own child.
Nothing here is asserted. `--restart` adds `make down && make up`, which stops the platform for some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localstack.home import Home

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
DAGSTER = "http://127.0.0.1:30070/graphql"
MARKERS = ("<!-- figures: begin -->", "<!-- figures: end -->")


@dataclass(frozen=True)
class Figure:
    """One line of the table; `cpu_s` is None where the work runs in other processes than our children."""

    what: str
    wall: str
    cpu_s: float | None
    command: str


def timed(what: str, argv: Sequence[str], home: Home, runs: int = 1) -> Figure:
    """Median wall seconds and mean CPU seconds (user + system, children included) of `runs` runs.

    Raises subprocess.CalledProcessError when the command fails: a failed command has no figure.
    """
    walls: list[float] = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(runs):
        start = time.monotonic()
        subprocess.run(argv, cwd=ROOT, env=home.environment(), check=True, stdout=subprocess.DEVNULL)
        walls.append(time.monotonic() - start)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / runs
    return Figure(what, f"{statistics.median(walls):.1f} s", cpu, " ".join(argv))


def graphql(query: str) -> Any:
    """Data of a Dagster GraphQL query."""
    request = urllib.request.Request(
        DAGSTER, json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = json.load(answer)
    if "errors" in body:
        raise RuntimeError(f"Dagster answered {body['errors']}")
    return body["data"]


def last_run_by_step() -> Iterable[Figure]:
    """The last successful run of the pipeline: total and each step, in seconds."""
    data = graphql(
        '{ runsOrError(filter: {statuses: [SUCCESS], pipelineName: "petco_pipeline"}, limit: 1) { ... on Runs '
        "{ results { runId startTime endTime stepStats { stepKey startTime endTime } } } } }"
    )
    for run in data["runsOrError"]["results"]:
        yield Figure("pipeline run, all steps", f"{run['endTime'] - run['startTime']:.0f} s", None, "make run")
        for step in sorted(run["stepStats"], key=lambda s: s["startTime"]):
            seconds = step["endTime"] - step["startTime"]
            yield Figure(f"pipeline run, step `{step['stepKey']}`", f"{seconds:.0f} s", None, "make run")


def idle_memory(home: Home) -> Iterable[Figure]:
    """Memory of every process of the platform in GiB: proportional set size, so shared pages count once."""
    parts = {"cluster and registry": 0, "workloads": 0}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            in_pod = "kubepods" in (entry / "cgroup").read_text()
            ours = str(home.root) in (entry / "cmdline").read_bytes().decode(errors="replace")
            if in_pod or ours:
                parts["workloads" if in_pod else "cluster and registry"] += pss_kib(entry)
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process ended while we looked at it
    for part, kib in parts.items():
        yield Figure(f"idle memory, {part}", f"{kib / 2**20:.2f} GiB", None, "sum of Pss in /proc/*/smaps_rollup")
    total = sum(parts.values()) / 2**20
    yield Figure("idle memory, whole platform", f"{total:.2f} GiB", None, "the two above")


def pss_kib(process: Path) -> int:
    """Proportional set size of one process in KiB; 0 for a kernel thread."""
    for line in (process / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def machine() -> str:
    """One line about the machine that measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}, Linux {platform.release()}, "
        f"{datetime.now(UTC):%Y-%m-%d}; a shared machine"
    )


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| what | figure | CPU | command |", "|---|---|---|---|"]
    for figure in figures:
        cpu = "" if figure.cpu_s is None else f"{figure.cpu_s:.1f} CPU-s"
        lines.append(f"| {figure.what} | {figure.wall} | {cpu} | `{figure.command.replace('`', '')}` |")
    return "\n".join(lines)


def write(page: Path, text: str, markers: tuple[str, str] = MARKERS) -> None:
    """Replace what stands between the page's markers. Raises ValueError when it has none."""
    content = page.read_text()
    before, begin, rest = content.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not begin or not end:
        raise ValueError(f"{page} lacks the lines {markers[0]} and {markers[1]}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--restart", action="store_true", help="also measure make down and make up")
    restart = parser.parse_args().restart
    home = Home.default()
    figures = list(idle_memory(home))
    pulumi = ("--stack", "dev", "--non-interactive")
    figures.append(timed("`pulumi preview`, no change", ["pulumi", "preview", *pulumi], home, runs=3))
    figures.append(timed("`pulumi up`, no change", ["pulumi", "up", "--yes", "--skip-preview", *pulumi], home, runs=3))
    figures.append(timed("`make up`, everything up", ["make", "up"], home))
    figures.append(timed("pipeline run, nothing new, with its start", ["make", "run"], home))
    figures += last_run_by_step()
    if restart:
        figures.append(timed("`make down`", ["make", "down"], home))
        figures.append(timed("`make up` after `make down`", ["make", "up"], home))
    text = f"Machine: {machine()}.\n\n{table(figures)}"
    write(PAGE, text)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
