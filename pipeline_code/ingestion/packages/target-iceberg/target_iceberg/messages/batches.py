"""What BATCH messages announce: opened at once, stored when the stream's table is known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from headwater_contracts import Contract, ContractError, Write

from target_iceberg.messages import pipe
from target_iceberg.rows.contract import contract_of

if TYPE_CHECKING:
    import pyarrow as pa

    from target_iceberg.rows.intake import Intake, Refusal

FORMATS = frozenset({"arrow", "parquet", "pipe", "split", "stored"})
"""`parquet` are files. `arrow` are Arrow IPC streams: a named pipe that the tap still writes, or a file. `pipe` is a
named pipe that holds what the target asks for: Parquet, which passes as it is, or an Arrow stream. `split` is the same
of a table that other pods read, too: the answer says where they may store files beside it. `stored` are these files."""
READ_ROWS = 65_536
"""Rows of a batch file that are held at a time."""
FILE_BYTES = 256 << 20
CODEC, LEVEL = "zstd", 1
"""Level 3, the library's own, takes 7 % more CPU of tap and target for files 4 % smaller."""
LOADED_AT = "_loaded_at"


class Batch:
    """The files or pipes of one message."""

    def __init__(self, layout: str, manifest: Sequence[str], contract: Contract, loaded_at: dt.datetime) -> None:
        """Open pipes, and answer their tap, so that it writes while the table is looked up."""
        self._layout, self._manifest = layout, manifest
        self._constants = {LOADED_AT: loaded_at.isoformat()}
        self._passing: list[pipe.ParquetPipe] = []
        self._passes = passes(contract)
        if layout == "pipe":
            self._answer({} if self._passes else None)

    @property
    def _paths(self) -> list[Path]:
        return [local_path(url) for url in self._manifest]

    def _answer(self, more: Mapping[str, Any] | None) -> None:
        """Ask for Parquet, with `more` for the tap to know; None asks for Arrow."""
        for path in self._paths:
            if more is None:
                pipe.answer(path, {"format": "arrow"})
            else:
                passing = pipe.ParquetPipe(path)
                passing.begin(
                    {"constants": self._constants, "codec": CODEC, "level": LEVEL, "file_bytes": FILE_BYTES, **more}
                )
                self._passing.append(passing)

    def store(self, intake: Intake | Refusal) -> int:
        """Hand the rows to the stream's intake; local files are deleted once read. Returns the number of rows."""
        if self._layout == "stored":
            return intake.take_stored(self._manifest)
        if self._layout == "split":
            self._answer({"place": intake.place} if self._passes else None)
        rows = intake.receive([passing.chunks() for passing in self._passing]) if self._passing else 0
        for path in [] if self._passing else self._paths:
            for batch in _rows_of(path) if self._layout == "parquet" else pipe.read(path):
                intake.write(batch)
                rows += batch.num_rows
            path.unlink(missing_ok=True)
        return rows


def passes(contract: Contract) -> bool:
    """Whether rows of the stream may be stored as the tap's engine writes them: as they come, in any order."""
    return contract.write is Write.APPEND and not contract.sort and not contract.partition


def contract_or_default(folder: str | None, stream: str) -> Contract:
    """Return the stream's contract, or one of all defaults; a wrong one refuses the rows later."""
    try:
        return contract_of(folder, stream)
    except ContractError:
        return Contract("", stream)


def _rows_of(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, memory_map=True) as file:
        yield from file.iter_batches(READ_ROWS)


def local_path(url: str) -> Path:
    """Return the path of a `file:` URL or plain path. ValueError for any other."""
    parts = urlparse(url)
    if parts.scheme not in {"", "file"}:
        raise ValueError(f"BATCH file {url}: only local files (file:///…) can be read")
    return Path(unquote(parts.path))
