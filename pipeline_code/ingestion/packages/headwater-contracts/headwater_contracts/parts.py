"""The parts of a contract: columns, layout, freshness, limits."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from headwater_contracts.errors import ContractError, flag, mapping, text, wrong
from headwater_contracts.types import ColumnType, parse_type


class Write(StrEnum):
    """How rows get into the table: one more version each, or in place of the row with the same key."""

    APPEND = "append"
    MERGE = "merge"


class Deletes(StrEnum):
    """What becomes of rows that the source deleted: stay as they are, stay marked in _sdc_deleted_at, are removed."""

    KEEP = "keep"
    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True)
class Column:
    """An expected column. `cast`: what the source sends (text, as a rule) is parsed into `type`."""

    name: str
    type: ColumnType
    required: bool = False
    cast: bool = False
    description: str = ""


@dataclass(frozen=True)
class SortField:
    """A column that the rows of a file are sorted by. Nulls come first in ascending order unless it says otherwise."""

    column: str
    descending: bool = False
    nulls_first: bool = True

    def __str__(self) -> str:
        """Return what a contract says, in full: `updated_at desc nulls last`."""
        return f"{self.column} {'desc' if self.descending else 'asc'} nulls {'first' if self.nulls_first else 'last'}"


@dataclass(frozen=True)
class PartitionField:
    """A column and Iceberg's transform of it; `parameter` is the number of buckets or the width of truncate."""

    column: str
    transform: str = "identity"
    parameter: int | None = None

    def __str__(self) -> str:
        """Return what a contract says: `day(ordered_at)`, `bucket(16, order_id)`."""
        if self.transform == "identity":
            return self.column
        numbered = "" if self.parameter is None else f"{self.parameter}, "
        return f"{self.transform}({numbered}{self.column})"


@dataclass(frozen=True)
class Freshness:
    """How old the last load may be before people are warned, and before it counts as failed."""

    warn: dt.timedelta
    fail: dt.timedelta


@dataclass(frozen=True)
class Quarantine:
    """How many rows of a load may be set aside: at most `rows`, and at most `share` of all once 100 were read.

    Where no other row is there, none may be, unless `share` is 100 %: the settings are wrong then, not the rows.
    """

    rows: int = 1_000
    share: float = 0.01

    def exceeded(self, quarantined: int, read: int, *, alone: bool = False) -> bool:
        """Return whether a load of `read` rows, quarantined ones included, has too many of them.

        alone: whether, if all are quarantined, the load has brought nothing at all.
        """
        if quarantined == 0:
            return False
        if quarantined > self.rows or (alone and quarantined >= read and self.share < 1):
            return True
        return read >= 100 and quarantined > self.share * read


TIMES = ("year", "month", "day", "hour")
_TRANSFORM = re.compile(r"(year|month|day|hour)\((.+)\)|(bucket|truncate)\(\s*(\d+)\s*,(.+)\)")
_SORT = re.compile(r"(.+?)(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?", re.IGNORECASE | re.DOTALL)
_DURATION = re.compile(r"(\d+)\s*(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def parse_column(place: str, name: Any, value: Any) -> Column:
    """Return the column `name: {type: …}`, or `name: type` in short."""
    if not isinstance(name, str):
        raise wrong(place, name, "put the column's name in quotes")
    if isinstance(value, str):
        return Column(name, parse_type(place, value))
    found = mapping(place, value, ("type", "required", "cast", "description"), ("type",))
    return Column(
        name,
        parse_type(f"{place}.type", found["type"]),
        flag(f"{place}.required", found.get("required", False)),
        flag(f"{place}.cast", found.get("cast", False)),
        text(f"{place}.description", found["description"]) if "description" in found else "",
    )


def parse_sort(place: str, value: str) -> SortField:
    """Return the field of `column`, `column desc` or `column desc nulls first`; nulls are lower than any value."""
    found = _SORT.fullmatch(text(place, value))
    if found is None:
        raise wrong(place, value, "use column, column desc or column asc nulls last")
    column, direction, nulls = found.groups()
    descending = direction is not None and direction.lower() == "desc"
    return SortField(column, descending, nulls_first=not descending if nulls is None else nulls.lower() == "first")


def parse_partition(place: str, value: str) -> PartitionField:
    """Return the field of `column`, `day(column)` or `bucket(16, column)`."""
    if (found := _TRANSFORM.fullmatch(value)) is not None:
        by_time, column, by_number, number, numbered_column = found.groups()
        if by_time is not None:
            return PartitionField(column.strip(), by_time)
        if int(number) == 0:
            raise wrong(place, value, "the number must be greater than 0")
        return PartitionField(numbered_column.strip(), by_number, int(number))
    if "(" in value:
        raise wrong(place, value, "use column, year|month|day|hour(column), bucket(n, column) or truncate(n, column)")
    return PartitionField(value)


def check_partition(place: str, fields: Sequence[PartitionField]) -> None:
    """Raise ContractError for two fields that cut by the same: one column by two units of time, or twice by one."""
    seen: dict[tuple[str, str], PartitionField] = {}
    for field in fields:
        by = "time" if field.transform in TIMES else field.transform
        if (other := seen.setdefault((field.column, by), field)) is not field:
            raise wrong(place, str(field), f"{other} cuts {field.column} already; keep one of them")


def check_sort(place: str, fields: Sequence[SortField]) -> None:
    """Raise ContractError for a column that is named twice."""
    names = [field.column for field in fields]
    for field in fields:
        if names.count(field.column) > 1:
            raise wrong(place, str(field), f"name {field.column} once")


def parse_freshness(place: str, value: Any) -> Freshness:
    """Return the windows of `{warn: 2h, fail: 24h}`."""
    found = mapping(place, value, ("warn", "fail"), ("warn", "fail"))
    freshness = Freshness(*(_duration(f"{place}.{name}", found[name]) for name in ("warn", "fail")))
    if freshness.warn > freshness.fail:
        raise ContractError(f"{place}: warn ({found['warn']}) must not be longer than fail ({found['fail']})")
    return freshness


def parse_quarantine(place: str, value: Any) -> Quarantine:
    """Return the limits of `{rows: 1000, share: 1%}`; what is not given keeps its default."""
    found = mapping(place, value, ("rows", "share"))
    default = Quarantine()
    rows = found.get("rows", default.rows)
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
        raise wrong(f"{place}.rows", rows, "write a number of rows, 0 or more")
    return Quarantine(rows, _share(f"{place}.share", found["share"]) if "share" in found else default.share)


def _duration(place: str, value: Any) -> dt.timedelta:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise wrong(place, value, "write minutes, hours or days: 30m, 2h, 3d")
    return dt.timedelta(**{_UNITS[found[2]]: int(found[1])})


def _share(place: str, value: Any) -> float:
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if found is None or float(found[1]) > 100:
        raise wrong(place, value, "write a percentage: 1%, 0.5%")
    return float(found[1]) / 100
