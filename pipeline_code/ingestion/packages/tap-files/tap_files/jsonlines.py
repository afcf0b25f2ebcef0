"""A file of JSON: one object for each row, whose fields are the columns. Numbers keep all their digits.

An object that has a key twice is not a row, because nothing says which of its values counts.

Files with one object per line are read line by line. If the first line is not an object, the file may be an array, or
objects over several lines.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO

import msgspec
import pyarrow as pa
from headwater_contracts import ColumnType

from tap_files import content
from tap_files.documents import MOST_BYTES, documents
from tap_files.errors import FilesError
from tap_files.inference import Evidence, evidence
from tap_files.names import keys
from tap_files.rows import ROW, Misfit, Piece, typed
from tap_files.scratch import Scratch
from tap_files.settings import StreamSettings
from tap_files.store import File, Store

CHUNK_LINES = 20_000
_NUMBERS = ("boolean", "bigint", "numeric", "double")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_ANY = msgspec.json.Decoder(msgspec.Raw)


class TwiceError(ValueError):
    """An object has a key twice."""


_BROKEN = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What the decoder raises: the last for a value that is nested a thousand times or so."""

Values = dict[str, str | None]


class JsonLinesFile:
    """One file of a stream."""

    def __init__(self, store: Store, file: File, begins: bytes, settings: StreamSettings, scratch: Scratch) -> None:
        """Take the file; `begins` are its first bytes."""
        self.file = file
        self._store, self._scratch, self._begins = store, scratch, begins
        self.encoding = settings.encoding or content.encoding(begins)
        self.notes = () if settings.encoding else content.doubts(self.encoding)
        """What was guessed that a reader should know."""
        self._keys: dict[str, None] = {}

    @cached_property
    def _head(self) -> dict[str, None]:
        begins = self._begins.decode(self.encoding, "ignore").removeprefix("\ufeff").encode()
        names: dict[str, None] = {}
        for object_ in itertools.islice(_beginning(begins), CHUNK_LINES):
            try:
                names |= dict.fromkeys(_OBJECT.decode(object_))
            except _BROKEN:
                continue  # looked at again, and told, when the rows are read
        return names

    @property
    def _names(self) -> dict[str, str]:
        """Key → name of the column: keys of all lines once `evidence` has read them, before that of the beginning."""
        return keys({**self._head, **self._keys})

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._names.values())

    @property
    def has_rows(self) -> bool:
        """Whether it has a row; without one it has no column either."""
        return bool(self._keys)

    def evidence(self, pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:
        """Return what the values tell of the columns' types. What JSON has in quotes is no number."""
        path, found = self._text(), dict[str, Evidence]()
        for lines, strings, _, _ in self._chunks(path):
            chunk = dict.fromkeys(key for line in lines for key in line)
            self._keys |= chunk
            names = self._names
            told = evidence(self._scratch.duck, _table(lines, {key: names[key] for key in chunk}), pinned)
            for key in chunk:
                if key in strings:
                    told[names[key]].counts |= dict.fromkeys(_NUMBERS, 0)
                found.setdefault(names[key], Evidence()).add(told[names[key]])
        self._scratch.keep(path)
        return found

    def pieces(self, kinds: Mapping[str, ColumnType]) -> Iterator[Piece]:
        """Yield the rows in the types of `kinds`, and the lines that are no objects."""
        path, names = self._text(), self._names
        for lines, _, misfits, first in self._chunks(path):
            if names:
                yield typed(self._scratch.duck, _table(lines, names), kinds, first=first)
            else:  # objects without a field are rows
                numbers = pa.array(range(first, first + len(lines)), pa.int64())
                yield Piece(pa.RecordBatch.from_arrays([numbers], names=[ROW]))
            if misfits:
                yield Piece.aside(misfits)
        self._scratch.drop(path)

    def _chunks(self, path: Path) -> Iterator[tuple[list[Values], set[str], list[Misfit], int]]:
        """Yield rows, the keys that hold strings, the lines that are no rows, and the first row's number."""
        lines: list[Values] = []
        strings: set[str] = set()
        misfits: list[Misfit] = []
        first = 1
        with path.open("rb") as text:
            for number, raw in enumerate(self._objects(text, path), start=1):
                if not raw.strip():
                    continue
                try:
                    lines.append(_values(raw, strings))
                except (*_BROKEN, TwiceError) as error:
                    said = content.readable(raw.rstrip(b"\r\n"))
                    misfits.append(Misfit(None, "", f"line {number} {self._why(raw, error)}", said, {"line": said}))
                if len(lines) == CHUNK_LINES:
                    yield lines, strings, misfits, first
                    first += len(lines)
                    lines, strings, misfits = [], set(), []
        if lines or misfits:
            yield lines, strings, misfits, first

    def _objects(self, text: IO[bytes], path: Path) -> Iterable[bytes]:
        """Return the objects of a text: its lines, unless the first is none and the whole is JSON.

        FilesError where it is JSON of another kind.
        """
        first = next((line for line in text if line.strip()), b"")
        text.seek(0)
        if _is_object(first) or first.lstrip()[:1] not in (b"{", b"["):
            return text
        place = f"{self._store.path}, file {self.file.name}"
        if path.stat().st_size > MOST_BYTES:
            raise FilesError(
                f"{place} is JSON over several lines and has more than {MOST_BYTES >> 20} MiB: write an object a line "
                "(jq -c '.[]' for an array, jq -c . for objects)"
            )
        whole = text.read()
        text.seek(0)
        try:
            found = list(documents(whole))
        except ValueError:
            found = []
        if found and all(map(_is_object, found)):
            return found
        if whole.lstrip()[:1] == b"[" and _is_json(whole):
            raise FilesError(f"{place} is one JSON array, and not of objects: write an object a line")
        return text

    def _why(self, raw: bytes, error: Exception) -> str:
        """Return why a line is no row."""
        if isinstance(error, TwiceError):
            return str(error)
        try:
            raw.decode()
        except UnicodeDecodeError:
            return f"is not in {self.encoding}, the stream's `encoding`"
        return f"is no JSON object: {error}"

    def _text(self) -> Path:
        return content.spooled(self._store, self.file, self.encoding, self._scratch.folder)


def _table(lines: list[Values], names: Mapping[str, str]) -> pa.Table:
    """Return rows as texts by column; `names`: key → column."""
    arrays = [pa.array([line.get(key) for line in lines], pa.string()) for key in names]
    return pa.Table.from_arrays(arrays, names=list(names.values()))


def _beginning(begins: bytes) -> Iterator[bytes]:
    """Yield objects of a file's beginning: its lines, or as many whole ones as there are."""
    lines = begins.splitlines()
    if any(map(_is_object, lines[:1])):
        yield from lines
        return
    try:
        yield from documents(begins)
    except ValueError:
        return  # cut off, or not JSON


def _is_object(raw: bytes) -> bool:
    try:
        _OBJECT.decode(raw)
    except _BROKEN:
        return False
    return True


def _is_json(raw: bytes) -> bool:
    try:
        _ANY.decode(raw)
    except _BROKEN:
        return False
    return True


def _values(raw: bytes, strings: set[str]) -> Values:
    """Return a line's fields as text, what is nested as JSON. Raises _BROKEN, TwiceError."""
    found: Values = {}
    commas = 0
    for name, value in _OBJECT.decode(raw).items():
        text = bytes(value)
        commas += text.count(b",") + 1
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
    # A field that the decoder has dropped leaves a comma that is neither in a value nor between two fields.
    if raw.count(b",") != max(commas - 1, 0):
        _check_keys(raw)
    return found


def _check_keys(raw: bytes) -> None:
    """Raise TwiceError where an object has a key twice; within its values that is no matter, as they stay as text."""
    pairs: list[tuple[str, object]] = []

    def take(found: list[tuple[str, object]]) -> None:
        pairs[:] = found  # the outermost object comes last

    json.loads(raw, object_pairs_hook=take)
    names = [name for name, _ in pairs]
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise TwiceError(f"has the key {twice[0]!r} twice")
