"""Detects the delimiter and the quote of a CSV text: the form in which its lines look most like a table.

A form's score is how regular the numbers of values are, times the share of values that look like one (a number, a
date, words without another form's delimiter): van den Burg et al., "Wrangling messy CSV files by detecting row and type
patterns", 2019.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tap_files.records import Form, Record, split
from tap_files.settings import StreamSettings

DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f")
RARE = (":", " ")
"""Delimiters that are in ordinary values too: taken only where nothing else separates."""
_SCORED_CHARACTERS, _SCORED_RECORDS = 1 << 16, 400
_LEAST = 1e-3
_VALUE = re.compile(r"[+-]?[0-9][0-9.,' ]*%?|[^,;\t|^~\x01\x1f\"]*")
_UNUSED = "\x1f"


def form_of(text: str, given: StreamSettings, newline: str, *, whole: bool) -> Form:
    """Return how the values of a text are written. What `given` says is taken."""
    cut = text if len(text) <= _SCORED_CHARACTERS else text[: text.rfind(newline, 0, _SCORED_CHARACTERS) + 1] or text
    whole = whole and cut is text
    nulls = frozenset({"", *given.null})
    quote = '"' if given.quote is None else given.quote

    def form(delimiter: str, quote: str = quote, escape: str | None = None) -> Form:
        chosen = given.escape if given.escape is not None else quote if escape is None else escape
        return Form(delimiter, quote, chosen, newline, nulls)

    def best(forms: Sequence[Form]) -> Form:
        return max(forms, key=lambda each: _score(_records(cut, each, whole=whole)))

    if given.delimiter is not None:
        chosen = form(given.delimiter)
    else:
        chosen = best([form(each) for each in DELIMITERS if each in cut] or [form(_UNUSED)])
        records = _records(cut, chosen, whole=whole)
        if width_of(records) == 1:
            apart = [each for each in map(form, RARE) if _separates(cut, each, whole=whole)]
            apart += [
                each
                for each in (form(rare, "'") for rare in RARE if given.quote is None)
                if _separates(cut, each, whole=whole) and _encloses(cut, each, whole=whole)
            ]
            unused = next((each for each in (*DELIMITERS, "\x1e") if each not in text), _UNUSED)
            chosen = apart[0] if apart else form(unused)
    if given.quote is None:
        single = (form(chosen.delimiter, "'"), form(chosen.delimiter, "'", "\\"))
        chosen = next((each for each in single if _encloses(cut, each, whole=whole)), chosen)
    if given.escape is None and chosen.quote and f"\\{chosen.quote}" in cut:
        chosen = best([chosen, form(chosen.delimiter, chosen.quote, "\\")])
    return chosen


def width_of(records: Sequence[Record]) -> int:
    """Return how many values the rows have: as most have that have more than one, unless these are few."""
    widths = Counter(len(each.values) for each in records if each.values is not None and not each.is_blank)
    several = Counter({width: count for width, count in widths.items() if width > 1})
    if not several or several.total() * 3 < widths.total():
        return 1
    # Of two that are as frequent it is the rows', which come last.
    most = max(several.values())
    last = [len(each.values or ()) for each in records]
    return max(
        (width for width, count in several.items() if count == most), key=lambda width: last[::-1].index(width) * -1
    )


def _records(text: str, form: Form, *, whole: bool) -> list[Record]:
    found = []
    for record in split(text, form, final=whole):
        if not record.is_blank:
            found.append(record.resolved(form))
        if len(found) == _SCORED_RECORDS:
            break
    return found


def _score(records: Sequence[Record]) -> float:
    if not records:
        return 0.0
    widths = Counter(0 if each.values is None else len(each.values) for each in records)
    regular = sum(count * max(width - 1, _LEAST) / max(width, 1) for width, count in widths.items())
    values = [value for each in records for value in each.values or ()]
    clean = sum(1 for value in values if value is None or _VALUE.fullmatch(value))
    return regular / len(records) / len(widths) * (clean / len(values) if values else _LEAST)


def _separates(text: str, form: Form, *, whole: bool) -> bool:
    """Whether a character of ordinary values separates: all lines, the first too, have as many values, at least 3."""
    widths = {len(each.values or ()) for each in _records(text, form, whole=whole)}
    return len(widths) == 1 and min(widths) >= 3


def _encloses(text: str, form: Form, *, whole: bool) -> bool:
    """Whether single quotes enclose values: no line breaks the rule, and as many values as lines are enclosed."""
    opened = re.compile(f"(?:^|{re.escape(form.delimiter)})'", re.MULTILINE)
    if f'{form.delimiter}"' in text or text.startswith('"') or len(opened.findall(text)) < 2:
        return False
    records = _records(text, form, whole=whole)
    enclosed = sum(1 for each in records for found in form.values.findall(form.delimiter + each.text) if found[0])
    return all(each.values is not None for each in records) and enclosed >= len(records)
