"""A folder of files as the tap reads it: rows and lines set aside, without a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tap_files.csvfile import CsvFile
from tap_files.reading import Reading
from tap_files.settings import PROGRAM
from tap_files.streams import ADDED, Files
from tap_files.types import TEXT


@dataclass
class Read:
    """What came of a file: columns, rows of values, types by column, lines and rows set aside, what was guessed."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    types: dict[str, str] = field(default_factory=dict)
    aside: list[dict[str, Any]] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def read_csv(
    folder: Path, content: str | bytes, said: Mapping[str, Any] | None = None, *, as_text: bool = False
) -> Read:
    """Read one file, of stream `t`, of which `said` is said. as_text: all columns as text. Raises FilesError."""
    place = folder / "t"
    place.mkdir(parents=True, exist_ok=True)
    (place / "f.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    files = Files({**PROGRAM.defaults, "path": str(folder), "streams": {} if said is None else {"t": dict(said)}})
    try:
        (stream,) = files.streams()
        reading = Reading(files, stream, None, {})
        if as_text:
            file = files.content(stream, stream.files[0])
            assert isinstance(file, CsvFile)
            pieces = list(file.pieces(dict.fromkeys(file.columns, TEXT)))
            rows = [tuple(row.values())[:-1] for each in pieces for row in each.batch.to_pylist()]
            lines = [{"value": each.value, "reason": each.reason} for piece in pieces for each in piece.misfits]
            return Read(file.columns, rows, aside=lines, notes=file.dialect.notes)
        reading.prepare()
        batches = list(reading.batches())
        rows = [tuple(v for k, v in row.items() if k not in ADDED) for each in batches for row in each.to_pylist()]
        (file,) = reading.contents
        assert isinstance(file, CsvFile)
        types = {name: str(kind) for name, kind in reading.kinds.items()}
        return Read(file.columns, rows, types, reading.misfits, file.dialect.notes)
    finally:
        files.close()
