"""A CSV file: its dialect, its columns, its rows, and the lines that are none."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
from headwater_contracts import ColumnType

from tap_files import content, dialect
from tap_files.dialect import Dialect
from tap_files.errors import FilesError
from tap_files.inference import Evidence, evidence
from tap_files.rows import Misfit, Piece, typed
from tap_files.scratch import Scratch
from tap_files.settings import StreamSettings
from tap_files.store import File, Store

_REASONS = {
    "MISSING COLUMNS": "has fewer values than the file has columns",
    "TOO MANY COLUMNS": "has more values than the file has columns",
    "UNQUOTED VALUE": "has a quote that does not end, or text after one",
    "LINE SIZE OVER MAXIMUM": "is longer than 16 MiB",
    "INVALID ENCODING": "is not in the file's encoding",
}


class CsvFile:
    """One file of a stream."""

    def __init__(self, store: Store, file: File, begins: bytes, settings: StreamSettings, scratch: Scratch) -> None:
        """Take the file; `begins` are its first bytes, decompressed."""
        self.file = file
        self._store, self._begins, self._settings, self._scratch = store, begins, settings, scratch

    @property
    def _place(self) -> str:
        return f"{self._store.path}, file {self.file.name}"

    @cached_property
    def dialect(self) -> Dialect:
        """How the file is written, by its beginning. FilesError where that can't be told."""
        encoding = self._settings.encoding or content.encoding(self._begins)
        path = self._scratch.folder / f"{uuid.uuid4().hex}.sample"
        # A character or a line that the sample's end cuts off is left out.
        whole = len(self._begins) < content.SAMPLE_BYTES
        text = self._begins.decode(encoding, "ignore").removeprefix("\ufeff")
        path.write_text(text if whole else text[: text.rfind("\n") + 1], encoding="utf-8")
        try:
            return dialect.sniffed(self._scratch.duck, path, self._place, self._settings, encoding)
        finally:
            self._scratch.drop(path)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.dialect.columns

    def evidence(self, pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:
        """Return what the values tell of the columns' types."""
        path = self._text()
        try:
            source = dialect.source(path, self.dialect)
            found = evidence(self._scratch.duck, source, self.columns, pinned, decimal=self.dialect.decimal)
        except duckdb.Error as error:
            raise FilesError(f"{self._place} can't be read: {error}") from error
        self._scratch.keep(path)
        return found

    def pieces(self, kinds: Mapping[str, ColumnType]) -> Iterator[Piece]:
        """Yield the rows in the types of `kinds`, which has all columns; last the lines that are no rows."""
        path, rejects = self._text(), f"rejects_{uuid.uuid4().hex}"
        duck = self._scratch.duck
        try:
            yield from typed(
                duck, dialect.source(path, self.dialect, rejects), self.columns, kinds, decimal=self.dialect.decimal
            )
            misfits = self._rejected(path, rejects)
        except duckdb.Error as error:
            raise FilesError(f"{self._place} can't be read: {error}") from error
        finally:
            for table in (rejects, f"{rejects}_scans"):
                duck.execute(f"drop table if exists {table}")
            self._scratch.drop(path)
        if misfits:
            yield Piece(pa.RecordBatch.from_pylist([], pa.schema([])), misfits)

    def _text(self) -> Path:
        return content.spooled(self._store, self.file, self.dialect.encoding, self._scratch.folder)

    def _rejected(self, path: Path, rejects: str) -> list[Misfit]:
        """Return the lines that are no rows, as they are in the file."""
        found = self._scratch.duck.execute(
            "select min(line), line_byte_position, arg_min(error_type, column_idx)::varchar, any_value(csv_line) "  # noqa: S608
            f"from {rejects} group by line_byte_position order by 1, 2"
        ).fetchall()
        misfits = []
        with path.open("rb") as text:
            for line, position, kind, said in found:
                if said is None or kind == "INVALID ENCODING":
                    text.seek(max(position - 1, 0))
                    value = text.readline(1 << 20).decode("utf-8", "backslashreplace").rstrip("\r\n")
                else:
                    value = said.rstrip("\r\n")
                reason = f"line {line} {_REASONS.get(kind, kind.lower())}"
                misfits.append(Misfit(None, "", reason, value, {"line": value}))
        return misfits
