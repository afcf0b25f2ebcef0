"""PostgreSQL's logical replication messages, plugin `pgoutput`, protocol version 1.

Source: PostgreSQL's documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_EPOCH_OFFSET = 946_684_800 * 10**6
"""Microseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01."""


class ProtocolError(ValueError):
    """A message that this decoder does not know, or that ends too early."""


class _Unchanged:
    """The type of UNCHANGED."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED = _Unchanged()
"""Stands for a large value (TOAST) that an update left as it was: the server does not send it."""

Value = str | None | _Unchanged


@dataclass(frozen=True)
class Begin:
    """A transaction: its changes follow.

    `position` is where its commit stands in the log, `committed_at` is in microseconds since 1970, UTC, and `number` is
    its id: the 32 bits of it that the log has, of the transaction itself also where savepoints have ids of their own.
    """

    position: int
    committed_at: int
    number: int


@dataclass(frozen=True)
class Relation:
    """A table's columns from here on: names in order, and which of them identify a row."""

    number: int
    schema: str
    name: str
    columns: tuple[str, ...]
    identity: frozenset[str]


@dataclass(frozen=True)
class Change:
    """A row that was written (`new`), removed (`new` is None), or got another key (`old` is then its former identity).

    Values are what PostgreSQL prints, in the order of the relation's columns. `old` has the values of the columns that
    identify a row, nulls in all others; with REPLICA IDENTITY FULL these are all columns.
    """

    relation: int
    old: tuple[Value, ...] | None
    new: tuple[Value, ...] | None


@dataclass(frozen=True)
class Truncate:
    """Tables that were emptied at once."""

    relations: tuple[int, ...]


Message = Begin | Relation | Change | Truncate


class _Reader:
    """Reads a message from its start."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ProtocolError(f"a message of {len(self._data)} bytes ends before byte {end}")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, layout: str) -> int:
        packed = struct.Struct(f"!{layout}")
        (value,) = packed.unpack(self.take(packed.size))
        return int(value)

    def text(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise ProtocolError("a string without its end")
        found = self.take(end - self._at)
        self.take(1)
        return found.decode()

    def row(self) -> tuple[Value, ...]:
        return tuple(self._value() for _ in range(self.number("H")))

    def _value(self) -> Value:
        match kind := self.take(1):
            case b"n":
                return None
            case b"u":
                return UNCHANGED
            case b"t":
                return self.take(self.number("I")).decode()
        raise ProtocolError(f"a value of unknown kind {kind!r}")


def decode(data: bytes) -> Message | None:
    """Return the message; None for kinds that say nothing about rows (commit, origin, type, custom messages).

    Raises ProtocolError for one that is cut off or unknown.
    """
    reader = _Reader(data)
    match kind := reader.take(1):
        case b"B":
            return Begin(reader.number("Q"), reader.number("q") + _EPOCH_OFFSET, reader.number("I"))
        case b"R":
            return _relation(reader)
        case b"I" | b"U" | b"D":
            return _change(kind, reader)
        case b"T":
            count = reader.number("I")
            reader.take(1)
            return Truncate(tuple(reader.number("I") for _ in range(count)))
        case b"C" | b"O" | b"Y" | b"M":
            return None
    raise ProtocolError(f"a message of unknown kind {kind!r}")


def _relation(reader: _Reader) -> Relation:
    number, schema, name = reader.number("I"), reader.text(), reader.text()
    reader.take(1)  # kind of replica identity; the columns say which they are
    names, identity = [], set()
    for _ in range(reader.number("H")):
        flags, column = reader.number("B"), reader.text()
        reader.take(8)  # type and its modifier: the catalog is asked for them
        names.append(column)
        if flags & 1:
            identity.add(column)
    return Relation(number, schema, name, tuple(names), frozenset(identity))


def _change(kind: bytes, reader: _Reader) -> Change:
    relation = reader.number("I")
    old: tuple[Value, ...] | None = None
    match tag := reader.take(1):
        case b"K" | b"O":
            old = reader.row()
            if kind == b"D":
                return Change(relation, old, None)
            tag = reader.take(1)
        case b"N":
            pass
    if tag != b"N":
        raise ProtocolError(f"a row of unknown kind {tag!r}")
    return Change(relation, old, reader.row())
