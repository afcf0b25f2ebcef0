"""A CSV file: its dialect, its columns, its rows, and the lines that are not rows. Every line is accounted for."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from headwater_contracts import ColumnType

from tap_files import content, dialect
from tap_files.dialect import Dialect
from tap_files.errors import FilesError
from tap_files.inference import Evidence, evidence
from tap_files.records import Account, Record, newline_of, read
from tap_files.rows import READ_ROWS, Misfit, Piece, typed
from tap_files.scratch import Scratch
from tap_files.settings import StreamSettings
from tap_files.store import File, Store

BATCH_CELLS = 600_000
"""Most values of a batch, which are held as Python's texts."""
BATCH_CHARACTERS = 16 << 20
MOST_LINES_ASIDE = 10_001
"""Lines that are no rows of which the text is kept; as many fail the stream."""
_TEXT = pa.string()
_HALF = re.compile("[\ud800-\udfff]")


class CsvFile:
    """One file of a stream."""

    def __init__(self, store: Store, file: File, begins: bytes, settings: StreamSettings, scratch: Scratch) -> None:
        """Take the file; `begins` are its first bytes, decompressed."""
        self.file = file
        self._store, self._begins, self._settings, self._scratch = store, begins, settings, scratch
        self._misfits: list[Misfit] = []
        self._account = Account()
        self._texts: Path | None = None
        self._has_halves = False

    @property
    def _place(self) -> str:
        return f"{self._store.path}, file {self.file.name}"

    @cached_property
    def dialect(self) -> Dialect:
        """How the file is written, by its beginning. FilesError where that can't be told."""
        encoding = self._settings.encoding or content.encoding(self._begins)
        # A character or a line that the sample's end cuts off is left out.
        whole = len(self._begins) < content.SAMPLE_BYTES
        text = self._begins.decode(encoding, "ignore").removeprefix("\ufeff")
        if not whole:
            text = text[: text.rfind(newline_of(text)) + 1]
            if not text:
                raise FilesError(
                    f"{self._place}: its first line is longer than {content.SAMPLE_BYTES >> 20} MiB; if it is no CSV, "
                    "take it out, else break its lines"
                )
        found = dialect.found_out(text, self._place, self._settings, encoding, whole=whole)
        return found if self._settings.encoding else replace(found, notes=(*found.notes, *content.doubts(encoding)))

    @property
    def _foreign(self) -> str:
        return f"is not in {self.dialect.encoding}, the stream's `encoding`"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.dialect.columns

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed that a reader should know."""
        return self.dialect.notes

    @property
    def has_rows(self) -> bool:
        """Whether it has a row; known after `evidence`."""
        return self._account.rows > 0

    def evidence(self, pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:
        """Return what the values tell of the columns' types."""
        found = {name: Evidence() for name in self.columns}
        path = self._scratch.folder / f"{uuid.uuid4().hex}.texts"
        schema = pa.schema([pa.field(name, pa.string()) for name in self.columns])
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, schema, options=options) as kept:
            for table in self._read():
                kept.write_table(table)
                with self._explained():
                    new = evidence(self._scratch.duck, table, pinned, decimal=self.dialect.decimal, codes=True)
                for name, each in new.items():
                    found[name].add(each)
        self._texts = path if self._scratch.keep(path) else None
        return found

    def pieces(self, kinds: Mapping[str, ColumnType]) -> Iterator[Piece]:
        """Yield the rows in the types of `kinds`, which has all columns; last the lines that are no rows."""
        first = 1
        kept, self._texts = self._texts, None
        for table in self._read() if kept is None else self._kept(kept):
            with self._explained():
                piece = typed(self._scratch.duck, table, kinds, decimal=self.dialect.decimal, first=first)
            yield piece
            first += table.num_rows
        if first - 1 != self._account.rows:
            raise FilesError(
                f"{self._place}: {self._account.rows} rows were read, and {first - 1} came out; please report it"
            )
        if self._misfits:
            yield Piece.aside(self._misfits)

    def _kept(self, path: Path) -> Iterator[pa.Table]:
        """Yield what `evidence` has read, once."""
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as batches:
            for batch in batches:
                yield pa.Table.from_batches([batch])
        self._scratch.drop(path)

    def _read(self) -> Iterator[pa.Table]:
        """Yield the rows as texts. FilesError where a line of the file is neither in them nor set aside."""
        self._misfits, self._account = [], Account()
        account, width = self._account, len(self.columns)
        most = max(1, min(READ_ROWS, BATCH_CELLS // width))
        rows: list[Record] = []
        size = 0
        for record in self._rows():
            rows.append(record)
            size += len(record.text)
            if len(rows) == most or size > BATCH_CHARACTERS:
                yield self._table(rows)
                rows, size = [], 0
        if rows:
            yield self._table(rows)
        if account.missing:
            raise FilesError(
                f"{self._place}: of {account.lines} lines {account.missing} are in no row, nor set aside; say the "
                "stream's `delimiter`, `quote` and `escape`"
            )

    def _rows(self) -> Iterator[Record]:
        """Yield the records that are rows; the others are counted, and set aside where they are no rows."""
        found, account, width, line = self.dialect, self._account, len(self.columns), 1
        header, below = found.header, found.skip_below
        texts = self._watched(content.texts(self._store, self.file, found.encoding))
        try:
            for record in read(_without_lines(texts, found, account), found.form, account):
                at, line = line, line + record.lines
                if self._has_halves and _HALF.search(record.text) is not None:
                    self._set_aside(record._replace(reason=self._foreign), at + found.passed, width)
                elif record.is_blank and (width > 1 or header):
                    account.blank += 1
                elif header:
                    header = False
                    account.header += record.lines
                elif below:
                    below -= 1
                    account.passed += record.lines
                elif record.values is None or len(record.values) != width:
                    self._set_aside(record, at + found.passed, width)
                else:
                    if record.lines > 1:
                        account.within += sum(each.count(found.form.newline) for each in record.values if each)
                    account.rows += 1
                    yield record
        except ValueError as error:
            raise FilesError(f"{self._place}: {error}; say the stream's `delimiter` and `quote`") from error

    def _watched(self, texts: Iterator[str]) -> Iterator[str]:
        """Yield the parts of a text; whether any holds bytes of another encoding is known from then on."""
        for text in texts:
            self._has_halves = self._has_halves or (not text.isascii() and _HALF.search(text) is not None)
            yield text

    def _set_aside(self, record: Record, line: int, width: int) -> None:
        self._account.aside += record.lines
        if len(self._misfits) == MOST_LINES_ASIDE:
            return
        reason = record.reason
        if not reason:
            less = len(record.values or ()) < width
            reason = f"has {'fewer' if less else 'more'} values than the file has columns"
        self._misfits.append(_misfit(record, f"line {line} {reason}"))

    def _table(self, rows: list[Record]) -> pa.Table:
        nulls = self.dialect.form.nulls
        enclosed = [row.values for row in rows if not row.is_plain]
        # In these columns a text that is no value where it stands plain is one, as it is enclosed somewhere.
        said = {place for values in enclosed for place, each in enumerate(values or ()) if each in nulls}
        arrays = []
        for place, column in enumerate(zip(*(row.values or () for row in rows), strict=True)):
            if place in said:
                pairs = zip(rows, column, strict=True)
                arrays.append(
                    pa.array([None if row.is_plain and each in nulls else each for row, each in pairs], _TEXT)
                )
                continue
            texts = pa.array(column, _TEXT)
            none = pc.is_in(texts, pa.array(list(nulls), _TEXT))
            arrays.append(pc.if_else(none, pa.scalar(None, _TEXT), texts) if none.true_count else texts)
        return pa.Table.from_arrays(arrays, names=list(self.columns))

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise FilesError(f"{self._place} can't be read: {error}") from error


def _misfit(record: Record, reason: str) -> Misfit:
    value = content.readable(record.text.rstrip("\r\n").encode("utf-8", "surrogateescape"))
    return Misfit(None, "", reason, value, {"line": value})


def _without_lines(texts: Iterator[str], found: Dialect, account: Account) -> Iterator[str]:
    """Yield a text without the lines before its header, which are counted."""
    left = found.passed
    for text in texts:
        start = 0
        while left and (end := text.find(found.form.newline, start)) >= 0:
            start, left = end + 1, left - 1
            account.lines += 1
            account.passed += 1
        if not left:
            yield text[start:]
