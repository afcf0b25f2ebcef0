"""The data that BATCH messages announce: opened at once, stored when the stream's table is known."""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from headwater_contracts import Contract, ContractError, Write

from target_iceberg.messages import pipe, singer
from target_iceberg.rows.contract import contract_of

if TYPE_CHECKING:
    import pyarrow as pa

    from target_iceberg.rows.intake import Intake
    from target_iceberg.rows.refusal import Refusal

FORMATS = ("arrow", "ask", "jsonl", "kept", "parquet", "pipe", "progress", "stored")
"""`jsonl` (with gzip, where the message says so) and `parquet` are files. `arrow` are Arrow IPC streams: a named pipe
that the tap still writes, or a file. `pipe` is a named pipe that holds what the target asks for: Parquet, which passes
as it is, or an Arrow stream. `ask` holds nothing: the answer says the same when the table is known, and where other
pods may store files beside it, and what a run has left that died. `stored` and `kept` are these files. `progress` is
what is to be kept of this run."""
READ_ROWS = 65_536
"""Rows of a batch file that are held at a time."""
FILE_BYTES = 256 << 20
CODEC, LEVEL = "zstd", 1
"""Level 3, the library's own, takes 7 % more CPU of tap and target for files 4 % smaller."""
LOADED_AT = "_loaded_at"
_ARROW = {"format": "arrow"}


class Batch:
    """The files or pipes of one message."""

    def __init__(
        self, encoding: Mapping[str, Any], manifest: Sequence[str], contract: Contract, loaded_at: dt.datetime
    ) -> None:
        """Open pipes, and answer their tap, so that it writes while the table is looked up."""
        self._layout: str = encoding["format"]
        self._told = encoding
        self._manifest = manifest
        self._constants = {LOADED_AT: loaded_at.isoformat()}
        self._passing: list[pipe.ParquetPipe] = []
        self._passes = passes(contract)
        if self._layout == "pipe":
            for path in self._paths if self._passes else []:
                passing = pipe.ParquetPipe(path)
                passing.begin(self._wanted)
                self._passing.append(passing)
            for path in [] if self._passes else self._paths:
                pipe.answer(path, _ARROW)

    @property
    def _paths(self) -> list[Path]:
        return [local_path(url) for url in self._manifest]

    @property
    def _wanted(self) -> dict[str, Any]:
        constants = self._constants
        return {"format": "parquet", "constants": constants, "codec": CODEC, "level": LEVEL, "file_bytes": FILE_BYTES}

    def store(self, intake: Intake | Refusal) -> int:
        """Hand the rows to the stream's intake; local files are deleted once read.

        Returns the number of rows. InputError names a file of JSON lines and its line that is none.
        """
        match self._layout:
            case "stored":
                return intake.take_stored(self._manifest)
            case "kept":
                return intake.take_over(self._manifest)
            case "progress":
                intake.keep(self._told)
                return 0
            case "ask":
                more = {"place": intake.place, "progress": intake.progress}
                pipe.answer(self._paths[0], {**self._wanted, **more} if self._passes else _ARROW)
                return 0
            case "jsonl":
                is_gzip = self._told.get("compression") == "gzip"
                return sum(_store_lines(path, intake, is_gzip=is_gzip) for path in self._paths)
        rows = intake.receive([each.chunks() for each in self._passing], self._manifest) if self._passing else 0
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


def _store_lines(path: Path, intake: Intake | Refusal, *, is_gzip: bool) -> int:
    """Hand the records of a file over; return their number."""
    rows = 0
    with gzip.open(path, "rt", encoding="utf-8") if is_gzip else path.open(encoding="utf-8") as lines:
        while part := list(itertools.islice(lines, READ_ROWS)):
            records = [singer.read_record(line, path.name) for line in part if not line.isspace()]
            intake.write_records(records)
            rows += len(records)
    return rows


def local_path(url: str) -> Path:
    """Return the path of a `file:` URL or plain path. ValueError for any other."""
    parts = urlparse(url)
    if parts.scheme not in {"", "file"}:
        raise ValueError(f"BATCH file {url}: only local files (file:///…) can be read")
    return Path(unquote(parts.path))
