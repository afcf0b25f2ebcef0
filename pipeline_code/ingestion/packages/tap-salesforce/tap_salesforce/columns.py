"""Fields of an object, from `describe`: their Singer schema, and their values in exact types."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

KEY = "Id"
REPLICATION_KEY = "SystemModstamp"
DELETED = "IsDeleted"
DELETED_AT = "_sdc_deleted_at"

_MAX_PRECISION = 38
_NUMBERS = frozenset({"currency", "double", "percent"})
_LEFT_OUT = frozenset({"address", "location", "base64"})
"""Compound fields (their parts are fields of their own) and files: a query job refuses them."""
_EXACT = {
    "boolean": ("boolean", "boolean", None),
    "int": ("integer", "integer", None),
    "long": ("bigint", "integer", None),
    "date": ("date", "string", "date"),
    "datetime": ("timestamp with time zone", "string", "date-time"),
}
"""Salesforce's type -> SQL name, JSON Schema type, JSON Schema format. All others are text."""


class FieldValueError(ValueError):
    """A value that is not of its field's type."""


@dataclass(frozen=True)
class Column:
    """A field that is read; `kind` is Salesforce's type, `precision` and `scale` those of numbers."""

    name: str
    kind: str
    nullable: bool
    precision: int = 0
    scale: int = 0

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Precision and scale of a number; None for what is none, or would need more than 38 digits."""
        fits = self.kind in _NUMBERS and 0 < self.precision <= _MAX_PRECISION
        return (self.precision, self.scale) if fits else None

    def json_schema(self) -> dict[str, Any]:
        """Return the Singer property: JSON type plus the exact SQL type in `x-sql-datatype`."""
        if self.decimal is not None:
            precision, scale = self.decimal
            schema: dict[str, Any] = {
                "type": self._types("number"),
                "x-sql-datatype": "numeric",
                "x-sql-datatype-properties": {"precision": precision, "scale": scale},
            }
            return schema
        sql, kind, layout = _EXACT.get(self.kind, ("text", "string", None))
        schema = {"type": self._types(kind), "x-sql-datatype": sql}
        return schema if layout is None else {**schema, "format": layout}

    def _types(self, kind: str) -> list[str]:
        return [kind, "null"] if self.nullable else [kind]

    def value(self, raw: Any) -> Any:
        """Return a value of a JSON answer or of a CSV result in its type; FieldValueError if it is none.

        Salesforce has no empty text: a CSV result writes null that way.
        """
        if raw is None or raw == "":
            return None
        try:
            return self._converted(raw)
        except (ArithmeticError, LookupError, ValueError) as error:
            raise FieldValueError(f"field {self.name}: {raw!r} is no {self.kind}") from error

    def _converted(self, raw: Any) -> Any:
        if self.decimal is not None:
            return _scaled(Decimal(str(raw)), self.decimal[1])
        match self.kind:
            case "boolean":
                return raw if isinstance(raw, bool) else {"true": True, "false": False}[str(raw).lower()]
            case "int" | "long":
                number = Decimal(str(raw))
                if number != int(number):
                    raise ValueError("it has a fraction")
                return int(number)
            case "datetime":
                return moment(raw).isoformat()
            case "date":
                return dt.date.fromisoformat(raw).isoformat()
        return json.dumps(raw, ensure_ascii=False, default=str) if isinstance(raw, dict | list) else str(raw)


def _scaled(value: Decimal, scale: int) -> Decimal:
    """Return 450.0 as 450.00; a value with more digits than its field shows stays as it is: nothing is rounded."""
    if not value.is_finite():
        raise ValueError(f"{value} is no number")
    exact = value.quantize(Decimal(1).scaleb(-scale))
    return exact if exact == value else value


def moment(text: str) -> dt.datetime:
    """Return a time as Salesforce writes it: 2026-06-01T10:00:00.000+0000, or with Z."""
    parsed = dt.datetime.fromisoformat(text)
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)


def columns_of(described: Mapping[str, Any]) -> tuple[Column, ...]:
    """Return the fields that the user may read, in Salesforce's order, without compound fields and files."""
    return tuple(
        Column(field["name"], field["type"], field["nillable"], field.get("precision", 0), field.get("scale", 0))
        for field in described["fields"]
        if field["type"] not in _LEFT_OUT
    )


def left_out(described: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that are not read for their type."""
    return [field["name"] for field in described["fields"] if field["type"] in _LEFT_OUT]


def schema_of(columns: Sequence[Column]) -> dict[str, Any]:
    """Return the Singer schema; `_sdc_deleted_at` says when a record was deleted, and is null while it lives."""
    deleted_at = {"type": ["string", "null"], "format": "date-time", "x-sql-datatype": "timestamp with time zone"}
    return {
        "type": "object",
        "properties": {**{each.name: each.json_schema() for each in columns}, DELETED_AT: deleted_at},
        "required": [each.name for each in columns if not each.nullable],
    }


def record_of(columns: Sequence[Column], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of either API as a record."""
    record = {each.name: each.value(row[each.name]) for each in columns}
    record[DELETED_AT] = record[REPLICATION_KEY] if record.get(DELETED) else None
    return record
