"""A machine-readable account of a run: one JSON line a stream, appended to the file in HEADWATER_LOAD_REPORT."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from target_iceberg.load import LoadResult

REPORT_VARIABLE = "HEADWATER_LOAD_REPORT"


def report(stream: str, result: LoadResult) -> None:
    """Append the stream's result; does nothing when no report is asked for."""
    path = os.environ.get(REPORT_VARIABLE)
    if path is None:
        return
    line = json.dumps({"stream": stream, **dataclasses.asdict(result)})
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
