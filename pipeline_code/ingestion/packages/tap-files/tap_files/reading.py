"""Reads one stream: which files are new, the types of the columns, the rows, and the state that follows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
from headwater_contracts import ColumnType
from headwater_contracts.types import parse_type
from headwater_tap import bulk
from headwater_tap.marks import NOTES, OWN
from headwater_tap.selection import INCREMENTAL, UNFINISHED, Selection

from tap_files import position
from tap_files.errors import FilesError
from tap_files.fitting import Fitted
from tap_files.inference import Evidence
from tap_files.outgoing import aside, conformed
from tap_files.parquetfile import ParquetFile
from tap_files.store import File
from tap_files.streams import ADDED, DELETED_AT, LOADED_AT, MODIFIED, Content, Files, FileStream
from tap_files.types import arrow_type, converts, json_schema

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
        self.sent = 0
        """Rows that were handed over."""
        self.waiting: frozenset[str] = frozenset()
        """Columns that are not sent yet: of new files that have no row, which tell no type."""
        self._told: list[dict[str, str]] = []

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
        for told in self.stream.lost:
            self._tell(told, "Rename the folder or the files of one, or say its `files` in the Meltano file")
        pinned = self._pinned
        found = self._looked_at(news.files, pinned)
        self.kinds = dict(pinned)
        for column, evidence in found.items():
            self.kinds[column] = evidence.chosen(pinned.get(column), is_key=column in self.stream.key)
        self._decide_bytes()
        if self.contents and not any(each.has_rows for each in self.contents):
            known = {*pinned, *self.stream.key}  # a key can't be missing, and is text
            self.waiting = frozenset(each for each, one in found.items() if each not in known and one.kind is None)
        for fitted in self._fitted:
            fitted.settle(self.kinds)
            for told in fitted.contradictions(self.kinds):
                self._tell(told, "Correct the folder's name or the file; until then the column is the file's")

    def _looked_at(self, files: Iterable[File], pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:
        """Return what files tell of their columns' types."""
        found: dict[str, Evidence] = {}
        for file in files:
            content = self._files.content(self.stream, file)
            if content is None:
                continue
            known = {**dict.fromkeys(self.stream.expected), **pinned, **found}
            fitted = Fitted(content, known, self._files.scratch)
            self.contents.append(content)
            for note in content.notes:
                logger.warning("%s: file %s: %s", self.stream.name, file.name, note)
            self._fitted.append(fitted)
            try:
                told = fitted.evidence(pinned)
            except duckdb.Error as error:
                raise FilesError(f"stream {self.stream.name}: file {file.name} can't be read: {error}") from error
            for column, evidence in told.items():
                if column in found:
                    found[column].add(evidence)
                else:
                    found[column] = evidence
            self._check(fitted)
            self._check_key(fitted, told, pinned)
        return found

    def _tell(self, message: str, decision: str) -> None:
        """Say something of the stream in the log, and in a finding."""
        logger.warning("%s: %s. %s", self.stream.name, message, decision)
        self._told.append({"message": f"{self.stream.name}: {message}", "decision": decision})

    def _check(self, fitted: Fitted) -> None:
        """Note which columns a file lacks. FilesError where it is none of this stream's, or has one that is not its to
        have.
        """
        for column in fitted.columns:
            if column in ADDED or column.casefold() == LOADED_AT:
                whose = "the tap's" if column in ADDED else "the lake's"
                raise FilesError(
                    f"stream {self.stream.name}: file {fitted.file.name}: column {column} is {whose} own; rename it in "
                    "the files"
                )
        fitted.check(self.stream.name, [each for each in self.stream.key if each not in ADDED])
        first = self._fitted[0]
        missing = fitted.lacks(self.stream.expected or self._state.get(COLUMNS, first.columns))
        if missing:
            logger.warning("%s: file %s lacks %s", self.stream.name, fitted.file.name, ", ".join(missing))
        for column in missing:
            self.missing.setdefault(column, fitted.file.name)

    def _check_key(self, fitted: Fitted, told: Mapping[str, Evidence], pinned: Mapping[str, ColumnType]) -> None:
        """Raise FilesError where a file says a type for a key's column whose values can't be had in the stream's."""
        for column in set(self.stream.key) & set(told) & set(pinned):
            for kind in told[column].kinds:
                if not converts(kind, pinned[column]):
                    raise FilesError(
                        f"stream {self.stream.name}: file {fitted.file.name}: {column}, by which rows are told apart, "
                        f"is {kind} there, and {pinned[column]} in the stream. Correct the file, take it out, or put "
                        "it into a folder of its own"
                    )

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
            *(
                [f"no row yet: the first decides the types of {', '.join(sorted(self.waiting))}"]
                if self.waiting
                else ()
            ),
            *(each["message"].removeprefix(f"{self.stream.name}: ") for each in self._told),
        ]

    @property
    def columns(self) -> dict[str, ColumnType]:
        """The columns that are sent, in order, those of the tap last; to be asked for after `prepare`."""
        chosen = {name: kind for name, kind in self.kinds.items() if self._is_selected(name)}
        return {**chosen, **ADDED}

    def _is_selected(self, name: str) -> bool:
        selection = self._selection
        if name in self.waiting:
            return False
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
            **({NOTES: self._told} if self._told else {}),
        }

    def _property(self, name: str, kind: ColumnType, required: set[str]) -> dict[str, Any]:
        lacks = {MISSING: self.missing[name]} if name in self.missing else {}
        own = {OWN: True} if name == DELETED_AT else {}
        return {**json_schema(kind, required=name in required), **lacks, **own}

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
                    self.sent += piece.batch.num_rows
                    yield conformed(piece.batch, fitted.file, schema)

    def hand_over(self, batches: Mapping[str, Any]) -> Iterator[bulk.Announcement]:
        """Yield what holds the rows, see headwater_tap.bulk; nothing where there is no new file."""
        if self.contents:
            yield from bulk.hand_over(self.stream.name, lambda: self.arrow_schema, self.batches(), batches)

    def end(self) -> None:
        """Advance the state: all that is new was read. Where there is no row yet, its files are read again."""
        self._state.pop("progress_markers", None)
        if self._incremental and self.is_complete and not self.sent:
            self._state.clear()  # the table stands at its beginning
        elif self._incremental:
            known = {*self.stream.pinned, *self.waiting}
            types = {name: str(kind) for name, kind in self.kinds.items() if name not in known}
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
            self.misfits.append(aside(self.stream, file, misfit))
        if len(self.misfits) > MOST_MISFITS:
            last = self.misfits[-1]
            raise FilesError(
                f"stream {self.stream.name}: more than {MOST_MISFITS} rows can't be read, in file {file.name} "
                f"{last['column'] or 'a line'} {last['value']!r}: {last['reason']}. Correct the files, or the stream's "
                "settings in its Meltano file (delimiter, quote, encoding), or the column's type in the contract"
            )
