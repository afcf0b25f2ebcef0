"""How a CSV file is written, and the names of its columns: from the settings, the rest from its first lines."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tap_files.errors import FilesError
from tap_files.heading import heading, units
from tap_files.records import Form, Record, newline_of, split
from tap_files.settings import StreamSettings
from tap_files.sniffing import form_of, width_of

_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9]+(,[0-9]+)?")
_COMMA = re.compile(r"-?([0-9]+,([0-9]{1,2}|[0-9]{4,})|(0|[0-9]{4,}),[0-9]+)")
"""A number whose comma stands before the fraction: in 1,234 it may stand between thousands."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
MARK = "#"
"""What comments begin with, where nobody says something else."""
MOST_RECORDS = 20_000
"""Records that are looked at, of a beginning that has more."""
_SHOWN = 60


@dataclass(frozen=True)
class Dialect:
    """A CSV file's dialect, and the names of its columns: distinct, in the file's order.

    skip: lines before the header, those that begin with `comment` aside. passed: both together. skip_below: lines below
    it that are no rows. decimal: the character before the fraction of a number. notes: what was guessed that a reader
    should know.
    """

    form: Form
    header: bool
    skip: int
    comment: str
    encoding: str
    decimal: str
    columns: tuple[str, ...]
    passed: int = 0
    skip_below: int = 0
    notes: tuple[str, ...] = ()

    @property
    def delimiter(self) -> str:
        """What separates values."""
        return self.form.delimiter

    @property
    def quote(self) -> str:
        """What encloses a value."""
        return self.form.quote

    @property
    def escape(self) -> str:
        """What stands before a quote within a value."""
        return self.form.escape


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as columns can have them: none empty, none twice, no control character."""
    found: dict[str, None] = {}
    for number, name in enumerate(names, start=1):
        base = _CONTROL.sub("_", name.strip()) or f"column{number}"
        chosen, count = base, 1
        while chosen in found:
            count += 1
            chosen = f"{base}_{count}"
        found[chosen] = None
    return tuple(found)


def found_out(text: str, place: str, given: StreamSettings, encoding: str, *, whole: bool) -> Dialect:
    """Return the dialect of a CSV file by its beginning, `text`; `place` names it in errors. `whole`: it is all of it.

    What `given` says is not looked for. FilesError where the header can't be told from the rows, with the way out.
    """
    newline = newline_of(text)
    lines = text.split(newline)
    given, notes = _with_separator(lines[0], replace(given, header=True) if given.skip_below else given)
    passed = 1 if notes else given.skip or 0
    comments = _marked(lines[passed:], given)
    form = form_of(newline.join(lines[passed + comments :]), given, newline, whole=whole)
    records = _records(newline.join(lines[passed + comments :]), form, whole=whole)
    width = width_of(records)
    if comments and not given.comment:
        comments = _comments(lines[passed : passed + comments], form, width)
        records = _records(newline.join(lines[passed + comments :]), form, whole=whole)
    if whole and not records and given.skip:
        raise FilesError(f"{place}: setting skip is {given.skip}, and nothing comes after so many lines")
    if comments and not given.comment:
        notes.append(f"{_lines(passed, comments)} for a comment, not for rows: {_first(lines[passed])}")
    top = heading(records, width, given, place, first=passed + comments + 1)
    above = records[: top.titles]
    before = sum(each.lines for each in above)
    titles = [each for each in above if not each.is_blank]
    if titles:
        notes.append(f"{_lines(passed + comments, before)} for a title, not for rows: {_first(titles[0].text)}")
    if top.header and not given.skip_below and (found := units(records, top.titles, width)) is not None:
        line = passed + comments + 1 + sum(each.lines for each in records[:found])
        notes.append(
            f"line {line}, {_first(records[found].text)}, looks like units or more names, and is read as a row; if it "
            "is none, say `skip_below: 1` to leave it out, or `skip` where it holds the names"
        )
    below = [each for each in records[top.titles + top.header :] if not each.is_blank][given.skip_below :]
    rows = [each.values for each in below if each.values is not None]
    # What is above a title is skipped with it, as settings skip lines first.
    mark = given.comment or (MARK if comments and not before else "")
    return Dialect(
        form, top.header, passed + before + (comments if not mark else 0), mark, encoding,
        given.decimal or ("," if _has_commas(rows, form) else "."),
        distinct(top.names if top.header else [""] * width), passed + before + comments, given.skip_below,
        (*notes, *_one_column(records, width, given)),
    )  # fmt: skip


def _with_separator(line: str, given: StreamSettings) -> tuple[StreamSettings, list[str]]:
    """Return the settings with what a first line such as `sep=;` says, and that it does; it is no row."""
    said = _SEPARATOR.fullmatch(line.strip(" \r"))
    if said is None or given.skip is not None or given.delimiter is not None:
        return given, []
    return replace(given, delimiter=said[1]), [f"line 1, {said[0]!r}, says what separates values"]


def _marked(lines: list[str], given: StreamSettings) -> int:
    """Return how many lines at the top may be comments."""
    if given.comment is not None:
        return _leading(lines, given.comment) if given.comment else 0
    count = 0 if given.skip is not None else _leading(lines, MARK)
    return 0 if count == sum(1 for each in lines if each.strip()) else count


def _records(text: str, form: Form, *, whole: bool) -> list[Record]:
    return [each.resolved(form) for each in itertools.islice(split(text, form, final=whole), MOST_RECORDS)]


def _leading(lines: list[str], mark: str) -> int:
    """Return how many lines begin with a mark before the first that does not."""
    return next((number for number, line in enumerate(lines) if not line.startswith(mark)), len(lines))


def _comments(lines: list[str], form: Form, width: int) -> int:
    """Return how many lines at the top are comments: a line with as many values as the rows is a header or a row."""
    for number, line in enumerate(lines):
        (record, *_) = split(line.rstrip("\r") + form.newline, form, final=True)
        values = record.values or []
        if len(values) == width and (width > 1 or not re.match(f"{MARK}[{MARK} !]", line)):
            return number
    return len(lines)


def _lines(before: int, count: int) -> str:
    first = before + 1
    return f"line {first} is taken" if count == 1 else f"lines {first} to {before + count} are taken"


def _first(text: str) -> str:
    shown = text.strip()
    return repr(shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…")


def _one_column(records: list[Record], width: int, given: StreamSettings) -> list[str]:
    if width > 1 or given.delimiter is not None or not records:
        return []
    text = records[0].text.strip("\r\n")
    apart = next((each for each in (":", " ", "-", "/", ".") if text.count(each)), None)
    if apart is None or any(each.text.count(apart) != text.count(apart) for each in records if not each.is_blank):
        return []
    return [f"no delimiter was found, so each line is one value; if {apart!r} separates values, say `delimiter`"]


def _has_commas(rows: list[list[str | None]], form: Form) -> bool:
    """Whether some column of the sample holds numbers with a decimal comma, and none but such, or whole ones."""
    if form.delimiter == ",":
        return False
    for column in zip(*rows, strict=False):
        values = [each for each in column if each]
        if any(_COMMA.fullmatch(each) for each in values) and all(_NUMBER.fullmatch(each) for each in values):
            return True
    return False
