"""What a command costs: time, CPU and memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """One run: wall and CPU seconds, and the greatest memory of its processes together in MiB (RSS and PSS)."""

    wall: float
    cpu: float
    rss: float
    pss: float


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
