"""Types of columns, by the names that SQL has for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headwater_contracts.errors import ContractError, wrong

SIMPLE = ("boolean", "integer", "bigint", "real", "double", "date", "timestamp", "timestamptz", "text")
_ALIASES = {
    "smallint": "integer",
    "double precision": "double",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}
_NUMERIC = re.compile(r"(?:numeric|decimal)\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_MAX_PRECISION = 38


@dataclass(frozen=True)
class ColumnType:
    """One of SIMPLE, or `numeric` with precision and scale. What has no type of its own (uuid, json, …) is text."""

    name: str
    precision: int | None = None
    scale: int | None = None

    def __str__(self) -> str:
        """Return what a contract says: `bigint`, `numeric(12,2)`."""
        return self.name if self.precision is None else f"{self.name}({self.precision},{self.scale})"

    @property
    def suffix(self) -> str:
        """What is added to a column's name when the type gets a column of its own: `text`, `numeric_12_2`."""
        return self.name if self.precision is None else f"{self.name}_{self.precision}_{self.scale}"


def parse_type(place: str, value: object) -> ColumnType:
    """Return the type that `value` names; ContractError says which there are."""
    if isinstance(value, str):
        plain = " ".join(value.lower().split())
        plain = _ALIASES.get(plain, plain)
        if plain in SIMPLE:
            return ColumnType(plain)
        if (found := _NUMERIC.fullmatch(plain)) is not None:
            precision, scale = int(found[1]), int(found[2])
            if not 0 < precision <= _MAX_PRECISION or scale > precision:
                raise ContractError(f"{place}: {value!r}: up to {_MAX_PRECISION} digits, the scale at most all of them")
            return ColumnType("numeric", precision, scale)
    raise wrong(place, value, f"use {', '.join(SIMPLE)} or numeric(precision,scale)")
