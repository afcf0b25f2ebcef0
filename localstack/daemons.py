"""Long-running processes of this machine: started once, recorded with pid and start time, stopped by that record only.

A record holds the kernel's start time of the process in addition to its pid. If another process gets the same pid later
(after a reboot, for example), it is never mistaken for ours and never killed.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localstack.errors import LocalError

POLL_S = 0.05


def answers(host: str, port: int, path: str, timeout_s: float = 2) -> bool:
    """Return whether an HTTP server says 200 to a GET."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(frozen=True)
class Record:
    """A process: pid, start time (clock ticks since boot) and boot identify it over its whole life."""

    pid: int
    start_ticks: int
    boot_id: str
    argv: tuple[str, ...]
    fingerprint: str = ""


def parse_stat(text: str) -> tuple[str, int]:
    """State letter and start time (field 22, ticks since boot) of a /proc/<pid>/stat line."""
    # The command name, in brackets, may itself hold blanks and brackets: count from the last one.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def boot_id(proc: Path = Path("/proc")) -> str:
    """Identifier of this boot of the machine."""
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def is_alive(record: Record, proc: Path = Path("/proc")) -> bool:
    """Whether exactly the recorded process still runs (a zombie does not)."""
    try:
        state, start = parse_stat((proc / str(record.pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"} and start == record.start_ticks and boot_id(proc) == record.boot_id


@dataclass(frozen=True)
class Daemon:
    """One named process with its record in <run>/<name>.json and its output in <logs>/<name>.log."""

    name: str
    run: Path
    logs: Path

    @property
    def record_file(self) -> Path:
        """Where the record is kept while the process runs."""
        return self.run / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """All output of the process, appended over its starts."""
        return self.logs / f"{self.name}.log"

    def record(self) -> Record | None:
        """The record of the last start, or None if there is none (or it was cut off by a crash)."""
        try:
            fields = json.loads(self.record_file.read_text())
            return Record(**{**fields, "argv": tuple(fields["argv"])})
        except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
            return None

    def alive(self) -> bool:
        """Whether the process that was started last still runs."""
        record = self.record()
        return record is not None and is_alive(record)

    def started_as(self, argv: Sequence[str | Path], fingerprint: str) -> bool:
        """Whether the last start had this command line and this fingerprint of its configuration."""
        record = self.record()
        words = tuple(str(word) for word in argv)
        return record is not None and record.argv == words and record.fingerprint == fingerprint

    def start(self, argv: Sequence[str | Path], *, fingerprint: str = "") -> bool:
        """Start the process in a session of its own unless it runs already; returns whether it was started now."""
        if self.alive():
            return False
        self.run.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        self._trim_log()
        words = tuple(str(word) for word in argv)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        _, start = parse_stat(Path(f"/proc/{process.pid}/stat").read_text())
        partial = self.record_file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(Record(process.pid, start, boot_id(), words, fingerprint))))
        partial.replace(self.record_file)
        return True

    def wait(self, title: str, place: str, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready`. Raises LocalError about `title` at `place` when the process ends or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.alive():
                raise LocalError(f"{title} ended at its start, log {self.log}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise LocalError(f"{title} does not answer at {place} after {timeout_s} s, log {self.log}")
            time.sleep(POLL_S)

    def _trim_log(self, limit_bytes: int = 20_000_000) -> None:
        """Keep one older generation of a log that has grown over the limit."""
        if self.log.exists() and self.log.stat().st_size > limit_bytes:
            self.log.replace(self.log.with_suffix(".log.1"))

    def tail(self, lines: int = 5) -> str:
        """The log's last lines."""
        if not self.log.exists():
            return "(no log)"
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 16_384))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def stop(self, grace_s: float) -> None:
        """End the process: SIGTERM, SIGKILL after `grace_s` seconds; does nothing when it does not run."""
        record = self.record()
        if record is not None and is_alive(record):
            os.kill(record.pid, signal.SIGTERM)
            if not wait_gone(record, grace_s):
                os.kill(record.pid, signal.SIGKILL)
                wait_gone(record, 10)
        self.record_file.unlink(missing_ok=True)


def wait_gone(record: Record, timeout_s: float) -> bool:
    """Wait until the process has ended; returns whether it did within `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while is_alive(record):
        if time.monotonic() > deadline:
            return False
        _reap(record.pid)
        time.sleep(POLL_S)
    return True


def _reap(pid: int) -> None:
    """Collect the exit status if the process is a child of this one; otherwise init does."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
