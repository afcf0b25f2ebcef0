"""A file of JSON lines: an object a line, whose fields are the columns. Numbers keep all their digits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import msgspec
import pyarrow as pa
from headwater_contracts import ColumnType

from tap_files import content
from tap_files.inference import Evidence, evidence
from tap_files.rows import Misfit, Piece, typed
from tap_files.scratch import Scratch
from tap_files.settings import StreamSettings
from tap_files.store import File, Store

CHUNK_LINES = 20_000
_NUMBERS = ("boolean", "bigint", "numeric", "double")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)

Values = dict[str, str | None]


class JsonLinesFile:
    """One file of a stream."""

    def __init__(self, store: Store, file: File, begins: bytes, settings: StreamSettings, scratch: Scratch) -> None:
        """Take the file; `begins` are its first bytes."""
        self.file = file
        self._store, self._scratch, self._begins = store, scratch, begins
        self._encoding = settings.encoding or content.encoding(begins)
        self._seen: dict[str, None] = {}

    @cached_property
    def _head(self) -> dict[str, None]:
        names: dict[str, None] = {}
        for line in self._begins.decode(self._encoding, "ignore").removeprefix("\ufeff").splitlines()[:CHUNK_LINES]:
            try:
                names |= dict.fromkeys(_OBJECT.decode(line))
            except (msgspec.MsgspecError, UnicodeError):
                continue  # looked at again, and told, when the rows are read
        return names

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the fields: those of all lines once `evidence` has read them, before that those of the beginning."""
        return tuple({**self._head, **self._seen})

    def evidence(self, pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:
        """Return what the values tell of the columns' types. What JSON has in quotes is no number."""
        path, found = self._text(), dict[str, Evidence]()
        for lines, strings, _, _ in self._chunks(path):
            names = tuple(dict.fromkeys(name for line in lines for name in line))
            self._seen |= dict.fromkeys(names)
            for name, each in evidence(self._scratch.duck, _table(lines, names), pinned).items():
                if name in strings:
                    each.counts |= dict.fromkeys(_NUMBERS, 0)
                found.setdefault(name, Evidence()).add(each)
        self._scratch.keep(path)
        return found

    def pieces(self, kinds: Mapping[str, ColumnType]) -> Iterator[Piece]:
        """Yield the rows in the types of `kinds`, and the lines that are no objects."""
        path = self._text()
        for lines, _, misfits, first in self._chunks(path):
            yield typed(self._scratch.duck, _table(lines, self.columns), kinds, rows=len(lines), first=first)
            if misfits:
                yield Piece(pa.RecordBatch.from_pylist([], pa.schema([])), misfits)
        self._scratch.drop(path)

    def _chunks(self, path: Path) -> Iterator[tuple[list[Values], set[str], list[Misfit], int]]:
        """Yield rows, the columns that hold strings, the lines that are no rows, and the first row's number."""
        lines: list[Values] = []
        strings: set[str] = set()
        misfits: list[Misfit] = []
        first = 1
        with path.open("rb") as text:
            for number, raw in enumerate(text, start=1):
                if not raw.strip():
                    continue
                try:
                    lines.append(_values(raw, strings))
                except (msgspec.MsgspecError, UnicodeError) as error:
                    said = raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
                    misfits.append(Misfit(None, "", f"line {number} is no JSON object: {error}", said, {"line": said}))
                if len(lines) == CHUNK_LINES:
                    yield lines, strings, misfits, first
                    first += len(lines)
                    lines, strings, misfits = [], set(), []
        if lines or misfits:
            yield lines, strings, misfits, first

    def _text(self) -> Path:
        return content.spooled(self._store, self.file, self._encoding, self._scratch.folder)


def _table(lines: list[Values], names: tuple[str, ...]) -> pa.Table:
    arrays = [pa.array([line.get(name) for line in lines], pa.string()) for name in names]
    return pa.Table.from_arrays(arrays, names=list(names))


def _values(raw: bytes, strings: set[str]) -> Values:
    """Return a line's fields as text, what is nested as JSON. Raises MsgspecError, UnicodeError."""
    found: Values = {}
    for name, value in _OBJECT.decode(raw).items():
        text = bytes(value)
        match text[:1]:
            case b'"':
                strings.add(name)
                found[name] = _STRING.decode(text)
            case b"n":
                found[name] = None
            case b"{" | b"[":
                strings.add(name)
                found[name] = text.decode("utf-8")
            case _:
                found[name] = text.decode("ascii")
    return found
