"""A machine-readable report of a run: one JSON line per stream, appended to the file in HEADWATER_LOAD_REPORT."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwater_contracts import Contract

from target_iceberg.rows.findings import Finding

REPORT_VARIABLE = "HEADWATER_LOAD_REPORT"


@dataclass(frozen=True)
class LoadResult:
    """What a load did: rows that came, files added, the snapshot that readers see now (None for an empty table).

    `seconds` are spent writing and committing, not waiting for rows.
    """

    table: str
    rows: int
    files: int
    bytes: int
    snapshot_id: int | None
    seconds: float


def report(stream: str, contract: Contract, result: LoadResult, quarantined: int, findings: Sequence[Finding]) -> None:
    """Append the stream's result; does nothing when no report is asked for."""
    _append({"stream": stream, **dataclasses.asdict(result), "quarantined": quarantined}, contract, findings)


def report_failure(stream: str, contract: Contract, findings: Sequence[Finding]) -> None:
    """Append that a stream was not loaded: a line without a result."""
    _append({"stream": stream, "failed": True}, contract, findings)


def _append(line: Mapping[str, Any], contract: Contract, findings: Sequence[Finding]) -> None:
    path = os.environ.get(REPORT_VARIABLE)
    if path is None:
        return
    named = f"{contract.file}, version {contract.version}" if contract.written else None
    text = json.dumps({**line, "contract": named, "findings": [dataclasses.asdict(each) for each in findings]})
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text + "\n")
