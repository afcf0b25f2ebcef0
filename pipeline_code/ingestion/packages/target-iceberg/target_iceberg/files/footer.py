"""Puts field ids into the footer of a Parquet file whose writer did not know them; all other bytes stay the same.

Field ids are in the list of columns at the beginning of the footer (Thrift's compact protocol, parquet.thrift:
FileMetaData.schema, SchemaElement.field_id). No other part of a file repeats or counts them, and all offsets in a
footer point before it, so it may change its length.
"""

from __future__ import annotations

from collections.abc import Mapping

MAGIC = b"PAR1"
TAIL_BYTES = 8
"""After the footer come its length, four bytes, and MAGIC."""

_SCHEMA, _NAME, _CHILDREN, _FIELD_ID = 2, 4, 5, 9
_I32, _STRUCT = 5, 12


class FooterError(ValueError):
    """The footer is not one of a flat Parquet file."""


def with_field_ids(footer: bytes, ids: Mapping[str, int]) -> bytes:
    """Return a footer in which the columns of `ids` have theirs, by name. FooterError for nested columns."""
    end = 0
    before = 0
    while True:
        start = end
        number, kind, value = _header(footer, start, before)
        if kind == 0:
            raise FooterError("the footer names no columns")
        if number == _SCHEMA:
            break
        end, before = _skip(footer, value, kind), number
    count, kind, first = _list(footer, value)
    position = first
    if kind != _STRUCT:
        raise FooterError("the footer's list of columns is not one of structures")
    elements = []
    for index in range(count):
        fields, position = _struct(footer, position)
        name = _text(fields[_NAME][1])
        if (_CHILDREN in fields) != (index == 0):
            raise FooterError(f"column {name} is nested")
        if name in ids and index:
            fields[_FIELD_ID] = (_I32, _varint(ids[name] << 1))  # zigzag: 2n for n >= 0
        elements.append(_encoded(fields))
    return footer[:first] + b"".join(elements) + footer[position:]


def _header(data: bytes, position: int, before: int) -> tuple[int, int, int]:
    """Return (field number, type, position of the value) of the field at `position`; type 0 ends a structure."""
    byte = data[position]
    kind, delta = byte & 0x0F, byte >> 4
    if kind == 0:
        return 0, 0, position + 1
    if delta:
        return before + delta, kind, position + 1
    number, position = _read_varint(data, position + 1)
    return number >> 1, kind, position  # field numbers are not negative


def _struct(data: bytes, position: int) -> tuple[dict[int, tuple[int, bytes]], int]:
    """Return the fields of a structure, {number: (type, encoded value)}, and the position after it."""
    fields: dict[int, tuple[int, bytes]] = {}
    number = 0
    while True:
        number, kind, value = _header(data, position, number)
        if kind == 0:
            return fields, value
        position = _skip(data, value, kind)
        fields[number] = (kind, data[value:position])


def _encoded(fields: Mapping[int, tuple[int, bytes]]) -> bytes:
    encoded = bytearray()
    before = 0
    for number, (kind, value) in sorted(fields.items()):
        delta = number - before
        encoded += bytes([delta << 4 | kind]) if delta <= 15 else bytes([kind]) + _varint(number << 1)
        encoded += value
        before = number
    return bytes(encoded) + b"\0"


def _skip(data: bytes, position: int, kind: int) -> int:
    """Return the position after a value."""
    match kind:
        case 1 | 2:  # a boolean is in its field's header
            return position
        case 3:
            return position + 1
        case 4 | 5 | 6:
            position = _read_varint(data, position)[1]
        case 7:
            return position + 8
        case 8:
            size, position = _read_varint(data, position)
            position += size
        case 9 | 10:
            count, element, position = _list(data, position)
            for _ in range(count):
                # In a list a boolean is a byte.
                position = position + 1 if element <= 2 else _skip(data, position, element)
        case 12:
            position = _struct(data, position)[1]
        case _:
            raise FooterError(f"the footer holds a value of unknown type {kind}")
    return position


def _list(data: bytes, position: int) -> tuple[int, int, int]:
    """Return (count, element type, position of the first element) of a list."""
    count, kind = data[position] >> 4, data[position] & 0x0F
    position += 1
    if count == 15:
        count, position = _read_varint(data, position)
    return count, kind, position


def _text(value: bytes) -> str:
    size, start = _read_varint(value, 0)
    return value[start : start + size].decode()


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
