"""One `meltano run`: its command, its environment, its log, its result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from headwater_ingest.logs import LogLine, parse

READERS = "readers.json"
"""File in a run's folder in which the tap asks for pods that read with it."""
MIGRATED_ELSEWHERE = "Cannot upgrade the system database"
"""What Meltano says where another one has made or changed the same tables of its database at the same moment."""
ERROR_LINES = 20
"""Lines of a failed run's log that its error message repeats."""


@dataclass(frozen=True)
class Request:
    """What to replicate: tap and target as named in meltano.yml; no streams means all that the tap selects.

    `contracts` are the files of the tap's streams that have one: these have to come. `reads_for` names the share of
    another run that this one only reads for.
    """

    tap: str
    target: str
    streams: tuple[str, ...]
    full_refresh: bool
    contracts: Mapping[str, str] = field(default_factory=dict)
    reads_for: str | None = None

    def command(self) -> list[str]:
        """Return the command. The catalog is discovered anew: a new column of the source must not wait for a cache."""
        options = ["--refresh-catalog", *(["--full-refresh"] if self.full_refresh else [])]
        if self.reads_for is not None:  # beside the run that it reads for, which alone has a state
            options.append("--no-state-update")
        return ["meltano", "--log-format", "json", "run", *options, self.tap, self.target]

    def environment(self, base: Mapping[str, str], folder: Path) -> dict[str, str]:
        """Return `base` with the selection, and with batch files and report below `folder`."""
        selected = {}
        if self.streams:
            selected[f"{self.tap.upper().replace('-', '_')}__SELECT_FILTER"] = json.dumps(list(self.streams))
        return {
            **base,
            "HEADWATER_BATCH_ROOT": (folder / "batch").as_uri(),
            "HEADWATER_LOAD_REPORT": str(folder / "report.jsonl"),
            "HEADWATER_POSITIONS": "" if self.full_refresh else str(folder / "positions.json"),
            "HEADWATER_SHARE": json.dumps(self._share(base, folder)),
            **selected,
        }

    def _share(self, base: Mapping[str, str], folder: Path) -> dict[str, Any]:
        """Return how the tap shares very large tables, in its own words (tap_postgres_arrow.share.Settings)."""
        if self.reads_for is not None:
            return {"id": self.reads_for, "reads": True}
        pods = int(base.get("HEADWATER_READER_PODS") or 0)
        share = {"id": str(uuid.uuid4()), "pods": pods, "request": str(folder / READERS)}
        least = base.get("HEADWATER_SHARED_FROM_BYTES")
        return {**share, "least_bytes": int(least)} if least else share


@dataclass(frozen=True)
class Finding:
    """What deviates from a stream's contract; `severity` is warn, error, or fail (nothing was loaded)."""

    kind: str
    column: str
    severity: str
    message: str
    decision: str


@dataclass(frozen=True)
class StreamResult:
    """What the target says about one stream. `snapshot_id` is None while the table has never held a row.

    `quarantined` rows could not be stored. `contract` is the contract's file and version, None where there is none.
    """

    stream: str
    table: str
    rows: int
    files: int
    bytes: int
    snapshot_id: int | None
    seconds: float
    quarantined: int = 0
    contract: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class FailedStream:
    """A stream that was not loaded, and what the target found."""

    stream: str
    contract: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """What the target says at the end of a run."""

    streams: tuple[StreamResult, ...] = ()
    failed: tuple[FailedStream, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """The streams that were loaded, those that were not, and why the run failed (None if it did not)."""

    streams: tuple[StreamResult, ...]
    failure: str | None
    failed: tuple[FailedStream, ...] = ()
    needs_a_person: bool = False
    """The same would happen again, after as long a read: a contract refuses the data, or a stream is not there."""


def read_report(path: Path) -> Report:
    """Return the target's report, empty if it wrote none."""
    if not path.exists():
        return Report()
    streams, failed = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        entry["findings"] = tuple(Finding(**each) for each in entry["findings"])
        if entry.pop("failed", False):
            failed.append(FailedStream(**entry))
        else:
            streams.append(StreamResult(**entry))
    return Report(tuple(streams), tuple(failed))


def judge(request: Request, report: Report, code: int, errors: Sequence[LogLine]) -> RunResult:
    """Decide whether the run failed: by Meltano's exit code, or by a stream that was not loaded.

    Those have to be loaded that were requested; where none was, those with a contract.
    """
    streams = report.streams
    missing = sorted(set(request.streams or request.contracts) - {result.stream for result in streams})
    if code != 0:
        said = "\n".join(str(line) for line in errors)
        lost = f"; not loaded: {', '.join(missing)}" if missing else ""
        reason = f"meltano run {request.tap} {request.target} exited with {code}{lost}\n{said}"
        refused = {each.stream for each in report.failed if any(found.severity == "fail" for found in each.findings)}
        return RunResult(streams, reason, report.failed, bool(missing) and refused.issuperset(missing))
    if missing:
        failed = tuple(FailedStream(name, request.contracts.get(name), (gone(request, name),)) for name in missing)
        reason = f"{request.tap} has no stream {', '.join(missing)}: check the name, or the grants"
        return RunResult(streams, reason, (*report.failed, *failed), needs_a_person=True)
    return RunResult(streams, None)


def gone(request: Request, stream: str) -> Finding:
    """Return the finding that a stream which was to be loaded does not exist."""
    file = request.contracts.get(stream)
    retire = "" if file is None else f"; or take {file} away, if it is gone for good"
    return Finding(
        "missing_stream", "", "fail",
        f"{stream}: {request.tap} has no such stream: dropped, renamed, or not granted. Its rows in the lake stay",
        f"Bring the table or the grant back{retire}",
    )  # fmt: skip


def ask_positions(path: Path, streams: Sequence[str]) -> str | None:
    """Write where the tables of these streams, or all, stand into `path`; return why that failed, None if it did not.

    A run that was killed after its commit, before Meltano had stored the state, would otherwise send rows again.
    """
    command = ["target-iceberg-tables", "positions", *streams]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode == 0:
        path.write_text(asked.stdout, encoding="utf-8")
        return None
    said = "\n".join(asked.stderr.splitlines()[-ERROR_LINES:])
    return f"the catalog did not say where the tables stand; nothing was read\n{said}"


def run(request: Request, show: Callable[[LogLine], None], wants: Callable[[Mapping[str, Any]], None]) -> RunResult:
    """Run Meltano to its end, handing each line of its log to `show`. SIGTERM is passed on to Meltano.

    `wants` is called, once at most, with the share and the number of pods that the tap asks for to read with it. A run
    that found its database being made by another one, as the first runs on a new platform may, is begun once more.
    """
    with tempfile.TemporaryDirectory(prefix="headwater-ingest-") as name:
        folder = Path(name)
        if (
            not request.full_refresh
            and request.reads_for is None
            and (failure := ask_positions(folder / "positions.json", request.streams)) is not None
        ):
            return RunResult((), failure)
        met = False

        def look(event: LogLine) -> None:
            nonlocal met
            met = met or MIGRATED_ELSEWHERE in event.text
            show(event)

        code, errors = _meltano(request, folder, look, wants)
        if code != 0 and met:
            code, errors = _meltano(request, folder, show, wants)
        return judge(request, read_report(folder / "report.jsonl"), code, errors)


def _meltano(
    request: Request, folder: Path, show: Callable[[LogLine], None], wants: Callable[[Mapping[str, Any]], None]
) -> tuple[int, Sequence[LogLine]]:
    """Run Meltano; return its exit code and the last lines that tell of errors."""
    errors: deque[LogLine] = deque(maxlen=ERROR_LINES)
    process = subprocess.Popen(
        request.command(),
        cwd=os.environ.get("MELTANO_PROJECT_ROOT"),
        env=request.environment(os.environ, folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )

    def forward(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    previous = signal.signal(signal.SIGTERM, forward)
    try:
        wanted: Path | None = folder / READERS
        for line in process.stdout or ():
            if wanted is not None and wanted.exists():  # the tap says so, and then a line
                wants(json.loads(wanted.read_text(encoding="utf-8")))
                wanted = None
            if (event := parse(line)) is not None:
                show(event)
                if event.is_error:
                    errors.append(event)
        return process.wait(), errors
    finally:
        signal.signal(signal.SIGTERM, previous)
