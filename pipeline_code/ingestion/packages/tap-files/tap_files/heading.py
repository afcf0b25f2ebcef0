"""Which line of a CSV text names the columns: it differs from the rows. If this is unclear, the file is refused.

A title above the header is skipped if the header is certain. If there are two possible readings, neither is used: the
error says how to choose one.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tap_files.errors import FilesError
from tap_files.records import Record
from tap_files.settings import StreamSettings

WAY_OUT = "say its stream's `skip` (lines before the header) or `header` (true or false)"
_CLASSES = {
    "number": re.compile(r"[+-]?(?:[0-9][0-9.,' ]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?%?"),
    "day": re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[T ].*)?"),
    "truth": re.compile(r"(?i:true|false)"),
}
_NOTHING = frozenset({"na", "n/a", "nan", "null", "none", "-", ".", "?", "\\n", "#n/a"})
"""Texts that many write where there is no value."""
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_ROWS = 200
_MOSTLY = 0.8


@dataclass(frozen=True)
class Heading:
    """titles: records above the header. header: whether a record names the columns. names: its values."""

    titles: int
    header: bool
    names: tuple[str, ...] = ()


def heading(records: Sequence[Record], width: int, given: StreamSettings, place: str, *, first: int) -> Heading:
    """Return what stands above the rows, which have `width` values; `first` is the first record's line in the file.

    FilesError where the names do not fit the rows.
    """
    there = [number for number, each in enumerate(records) if not each.is_blank]
    if not there or given.header is False:
        return Heading(0, header=False)
    lines = list(itertools.accumulate((each.lines for each in records), initial=first))
    top = there[0]
    fitting = [number for number in there if len(records[number].values or ()) == width]
    if given.skip is not None or not fitting:
        return _named(records, top, width, given, f"{place}, line {lines[top]}")
    titles = [number for number in there if number < fitting[0]]
    broken = next((number for number in titles if records[number].values is None), None)
    if broken is not None:
        return _named(records, broken, width, given, f"{place}, line {lines[broken]}")
    if titles:
        last = titles[-1]
        found = _named(records, fitting[0], width, given, place)
        if any(_filled(records[number]) > 1 for number in titles) or not found.header:
            # One of them may be the header, with a name too few or too many.
            _named(records, last, width, given, f"{place}, line {lines[last]}")
        return found
    return _below_padded(records, fitting, width, given, f"{place}, line {lines[top]}")


def units(records: Sequence[Record], header: int, width: int) -> int | None:
    """Return which record may say the units of the columns, or more of their names: the first below the header, where
    it holds nothing but texts, and one of them above a column of no text. None where there is no such.
    """
    below = [number for number in range(header + 1, len(records)) if not records[number].is_blank][: _ROWS + 1]
    fitting = [number for number in below if len(records[number].values or ()) == width]
    if len(fitting) < 3 or fitting[0] != below[0]:
        return None
    line, *rows = (records[number].values or [] for number in fitting)
    if any(value and _class(value) is not None for value in line):
        return None
    for place, value in enumerate(line):
        kinds = [_class(found) for row in rows if (found := row[place]) and found.strip().lower() not in _NOTHING]
        if value and value.strip().lower() not in _NOTHING and kinds and None not in kinds:
            return fitting[0]
    return None


def _below_padded(
    records: Sequence[Record], fitting: Sequence[int], width: int, given: StreamSettings, place: str
) -> Heading:
    """Return the header where titles above it may have been filled up with delimiters to the rows' width."""
    top = fitting[0]
    full = next((number for number in fitting if not _is_sparse(records[number], width)), top)
    if full == top:
        return _named(records, top, width, given, place)
    below = _votes(records, full, width)
    alone = all(_filled(records[number]) <= 1 for number in fitting if number < full)
    if below is True or (below is None and alone and width > 2):
        return _named(records, full, width, given, place)
    if below is False and width == 2:
        return _named(records, top, width, given, place)
    raise FilesError(
        f"{place}: {_shown(records[top])} may be a title or the columns' names, of which {width} are needed; {WAY_OUT}"
    )


def _named(records: Sequence[Record], number: int, width: int, given: StreamSettings, place: str) -> Heading:
    record = records[number]
    if record.values is None:
        raise FilesError(f"{place}: the line {_shown(record)} {record.reason}; correct it, or {WAY_OUT} or `quote`")
    if given.header is None and len(record.values) == width and _votes(records, number, width) is False:
        return Heading(0 if given.skip is not None else number, header=False)
    if len(record.values) != width:
        raise FilesError(
            f"{place}: {_shown(record)} has {len(record.values)} values, most lines have {width}. If these are the "
            f"columns' names, one is missing or too many: correct it, or skip it with `skip` and `header: false`; else "
            f"{WAY_OUT} or `delimiter`"
        )
    return Heading(number, header=True, names=tuple(each or "" for each in record.values))


def _votes(records: Sequence[Record], number: int, width: int) -> bool | None:
    """Return whether a line names the columns below it, by those that hold no text; None if there is no such."""
    line = records[number].values or []
    rows = [each.values for each in records[number + 1 : number + 1 + _ROWS] if len(each.values or ()) == width]
    names = rows_like = 0
    for place, value in enumerate(line):
        if not value:
            continue
        values = [found for row in rows if row is not None and (found := row[place])]
        own, kinds = _class(value), Counter(_class(each) for each in values)
        if not values:
            rows_like += not rows and own is not None
        elif kinds[None] <= (1 - _MOSTLY) * len(values):  # a column of no text
            if own != kinds.most_common(1)[0][0]:
                names += 1
            elif not _YEAR.fullmatch(value) or all(_YEAR.fullmatch(each) for each in values):
                rows_like += 1
    return True if names else False if rows_like else None


def _class(value: str) -> str | None:
    """Return what a value looks like; None for text."""
    return next((name for name, pattern in _CLASSES.items() if pattern.fullmatch(value.strip())), None)


def _filled(record: Record) -> int:
    return sum(1 for each in record.values or () if each)


def _is_sparse(record: Record, width: int) -> bool:
    """Whether a line looks like a title that was filled up: its first value, at most half of all; or holds none."""
    values, filled = record.values or [], _filled(record)
    return width > 1 and filled * 2 <= width and (bool(values[0]) or not filled)


def _shown(record: Record) -> str:
    text = record.text.strip("\r\n")
    return repr(text if len(text) <= 80 else f"{text[:80]}…")
