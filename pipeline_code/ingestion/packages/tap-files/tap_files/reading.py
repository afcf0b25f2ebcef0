"""One stream on its way out: which files are new, the types of the columns, the rows, and the state that follows."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
from headwater_contracts import ColumnType
from headwater_contracts.types import parse_type
from headwater_tap import bulk
from headwater_tap.selection import INCREMENTAL, UNFINISHED, Selection

from tap_files import position
from tap_files.errors import FilesError
from tap_files.fitting import Fitted
from tap_files.parquetfile import ParquetFile
from tap_files.rows import ROW, Misfit
from tap_files.store import File
from tap_files.streams import ADDED, FILE, MODIFIED, Content, Files, FileStream
from tap_files.types import arrow_type, json_schema

MOST_MISFITS = 10_000
"""Rows of a stream that are sent apart; with more of them the settings or the types are wrong, not the rows."""
COLUMNS = "columns"
"""Entry of the bookmark with the columns' types: those that no contract pins stay what they were."""
BYTES = "bytes"
"""Entry of the bookmark: column of bytes → whether they are text, which its first files decide for all later ones."""
MISSING = "x-headwater-missing"
"""Of a column in the schema: a new file that lacks it."""

logger = logging.getLogger(__name__)


class Reading:
    """Reads the new files of one stream. The state advances only when all of them were read."""

    def __init__(self, files: Files, stream: FileStream, selection: Selection | None, state: dict[str, Any]) -> None:
        """Read `selection` (None: all) from where `state`, the Singer bookmark, says; it is changed in place."""
        self.stream = stream
        self._files, self._selection, self._state = files, selection, state
        self._incremental = selection is None or selection.method == INCREMENTAL
        self.misfits: list[dict[str, Any]] = []
        self.contents: list[Content] = []
        self._fitted: list[Fitted] = []
        self.missing: dict[str, str] = {}
        self.bytes: dict[str, bool] = {}
        self.kinds: dict[str, ColumnType] = {}

    def choose(self, selection: Selection, state: dict[str, Any]) -> None:
        """Send what `selection` has, and keep the bookmark in `state` from now on."""
        self._selection, self._state = selection, state

    def begin(self, committed: Mapping[str, Any] | None) -> None:
        """Mark the state as that of a stream that is being read.

        `committed` is what the target has committed, None if it did not say: it wins over what a run remembered.
        """
        if committed is not None and self._incremental:
            self._state.clear()
            self._state.update(committed)
        self._state["progress_markers"] = dict(UNFINISHED)

    @property
    def _before(self) -> position.Position | None:
        if not self._incremental:
            return None
        return position.Position.from_state(self.stream.name, self._state, self.stream.files)

    @property
    def is_complete(self) -> bool:
        """Whether all files are read, so that their rows replace what the target holds."""
        return self._before is None

    @property
    def _news(self) -> position.News:
        return position.since(self._before, self.stream.files, in_order=self.stream.merges)

    @property
    def _pinned(self) -> dict[str, ColumnType]:
        """Types that the columns have already: the contract's, else those of the last run."""
        known = {name: parse_type(name, text) for name, text in self._state.get(COLUMNS, {}).items()}
        return {**known, **self.stream.pinned}

    def prepare(self) -> None:
        """Look at the new files, and decide the columns' types. FilesError where they do not belong together."""
        news, name = self._news, self.stream.name
        if news.late:
            again = "; those that are dated after it are read once more" if self.stream.merges else ""
            logger.warning("%s: %s is dated before files that were read already%s", name, news.files[0].name, again)
        if news.gone:
            logger.info("%s: %d files that were read are no longer there; their rows stay", name, news.gone)
        logger.info("%s: %d of %d files are new or changed", name, len(news.files), len(self.stream.files))
        pinned = self._pinned
        self.kinds = dict(pinned)
        found: dict[str, Any] = {}
        for file in news.files:
            content = self._files.content(self.stream, file)
            if content is None:
                continue
            known = {**dict.fromkeys(self.stream.expected), **pinned, **found}
            fitted = Fitted(content, known, self._files.scratch)
            self.contents.append(content)
            self._fitted.append(fitted)
            try:
                told = fitted.evidence(pinned)
            except duckdb.Error as error:
                raise FilesError(f"stream {name}: file {file.name} can't be read: {error}") from error
            for column, evidence in told.items():
                if column in found:
                    found[column].add(evidence)
                else:
                    found[column] = evidence
            self._check(fitted)
        for column, evidence in found.items():
            if column in ADDED:
                raise FilesError(f"stream {name}: column {column} is the tap's own; rename it in the files")
            self.kinds[column] = evidence.chosen(pinned.get(column))
        self._decide_bytes()
        for fitted in self._fitted:
            fitted.settle(self.kinds)

    def _check(self, fitted: Fitted) -> None:
        """Note which columns a file lacks. FilesError where it is none of this stream's."""
        fitted.check(self.stream.name, [each for each in self.stream.key if each not in ADDED])
        first = self._fitted[0]
        missing = fitted.lacks(self.stream.expected or self._state.get(COLUMNS, first.columns))
        if missing:
            logger.warning("%s: file %s lacks %s", self.stream.name, fitted.file.name, ", ".join(missing))
        for column in missing:
            self.missing.setdefault(column, fitted.file.name)

    def _decide_bytes(self) -> None:
        """Decide of columns of bytes which no writer marked as text whether they are."""
        before = self._state.get(BYTES)
        known = position.has_read(self._state) if self._incremental else False
        found: dict[str, bool] = {}
        parquet = [(each, each.content) for each in self._fitted if isinstance(each.content, ParquetFile)]
        for fitted, content in parquet:
            names = fitted.names
            for own, is_text in content.unmarked.items():
                found[names[own]] = found.get(names[own], True) and is_text
        if known and before is None:  # of an older version, which knew no text here
            found = dict.fromkeys(found, False)
        self.bytes = {**found, **((before or {}) if known else {})}
        for fitted, content in parquet:
            content.texts = frozenset(own for own, name in fitted.names.items() if self.bytes.get(name))

    @property
    def notes(self) -> list[str]:
        """What whoever adds the source should know: columns that not all files have, and such as hold bytes."""
        lacks = ", ".join(f"{column} ({file})" for column, file in list(self.missing.items())[:5])
        as_base64 = ", ".join(column for column, is_text in self.bytes.items() if not is_text)
        return [
            *([f"not all files have all columns: {lacks}; there they are null"] if lacks else ()),
            *([f"{as_base64} hold bytes, which are stored as base64"] if as_base64 else ()),
        ]

    @property
    def columns(self) -> dict[str, ColumnType]:
        """The columns that are sent, in order, those of the tap last; to be asked for after `prepare`."""
        chosen = {name: kind for name, kind in self.kinds.items() if self._is_selected(name)}
        return {**chosen, **ADDED}

    def _is_selected(self, name: str) -> bool:
        selection = self._selection
        # A column that came after the catalog was made is sent, as the next catalog will have it.
        return selection is None or name in selection.schema["properties"] or name not in selection.catalogued

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the rows, with exact SQL types."""
        required = {*ADDED, *self.stream.key}
        columns = self.columns
        return {
            "type": "object",
            "properties": {name: self._property(name, kind, required) for name, kind in columns.items()},
            "required": [name for name in columns if name in required],
        }

    def _property(self, name: str, kind: ColumnType, required: set[str]) -> dict[str, Any]:
        lacks = {MISSING: self.missing[name]} if name in self.missing else {}
        return {**json_schema(kind, required=name in required), **lacks}

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of the batches."""
        return pa.schema([pa.field(name, arrow_type(kind)) for name, kind in self.columns.items()])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, file by file, the oldest first; those that don't fit are in `misfits` afterwards."""
        schema = self.arrow_schema
        for fitted in self._fitted:
            for piece in fitted.pieces(self.kinds):
                self._set_aside(fitted.file, piece.misfits)
                if piece.batch.num_rows:
                    yield _conformed(piece.batch, fitted.file, schema)

    def hand_over(self, batches: Mapping[str, Any]) -> Iterator[bulk.Announcement]:
        """Yield what holds the rows, see headwater_tap.bulk; nothing where there is no new file."""
        if self.contents:
            yield from bulk.hand_over(self.stream.name, lambda: self.arrow_schema, self.batches(), batches)

    def end(self) -> None:
        """Advance the state: all that is new was read."""
        self._state.pop("progress_markers", None)
        if self._incremental:
            types = {name: str(kind) for name, kind in self.kinds.items() if name not in self.stream.pinned}
            read = (self._before or position.Position()).after(self.stream.files)
            self._state.clear()
            self._state.update({**read.to_state(), COLUMNS: types, BYTES: self.bytes})
            if self.stream.files:
                newest = self.stream.files[-1].modified.isoformat()
                self._state.update({"replication_key": MODIFIED, "replication_key_value": newest})

    def withdraw(self) -> None:
        """Leave the state where it was: nothing of the stream is read in this run."""
        self._state.pop("progress_markers", None)

    def _set_aside(self, file: File, misfits: Any) -> None:
        for misfit in misfits:
            self.misfits.append(_record(self.stream, file, misfit))
        if len(self.misfits) > MOST_MISFITS:
            last = self.misfits[-1]
            raise FilesError(
                f"stream {self.stream.name}: more than {MOST_MISFITS} rows can't be read, in file {file.name} "
                f"{last['column'] or 'a line'} {last['value']!r}: {last['reason']}. Correct the files, or the stream's "
                "settings in its Meltano file (delimiter, quote, encoding), or the column's type in the contract"
            )


def _conformed(batch: pa.RecordBatch, file: File, schema: pa.Schema) -> pa.RecordBatch:
    """Return a file's rows with all columns of the stream: those that the file lacks are null."""
    rows = batch.num_rows
    added = {FILE: pa.scalar(file.name), MODIFIED: pa.scalar(file.modified_us, pa.int64())}
    arrays = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if field.name in added:
            arrays.append(pa.repeat(added[field.name], rows).cast(field.type))
        else:
            arrays.append(batch.column(index) if index >= 0 else pa.nulls(rows, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _record(stream: FileStream, file: File, misfit: Misfit) -> dict[str, Any]:
    """Return a row that can't be sent as a record of the stream `quarantine`."""
    place: dict[str, Any] = {FILE: file.name, **({} if misfit.row is None else {ROW: misfit.row})}
    row = {**misfit.text, **place, **({} if misfit.row is None else {MODIFIED: file.modified.isoformat()})}
    # A line that is no row has no key: two of a file would be taken for versions of one row.
    key = {name: row[name] for name in stream.key} if set(stream.key) <= set(row) else {}
    return {
        "stream": stream.name,
        "key": json.dumps(key, ensure_ascii=False),
        "column": misfit.column or "line",
        "reason": misfit.reason,
        "value": misfit.value,
        "row": json.dumps(row, ensure_ascii=False),
    }
