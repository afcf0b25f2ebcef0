"""The records of a CSV text: every line belongs to a record, is set aside with the reason, or is blank.

Nothing is guessed here, and no line can be skipped: a record begins where the one before ended. If a quote is never
closed, only its own line is lost; the next lines are read as if it had not been there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

MOST_CHARACTERS = 16 << 20
"""Characters of a record."""
BAD_QUOTE = "has a quote that does not end, or text after one"
TOO_LONG = "is longer than 16 MiB"


@dataclass(frozen=True)
class Form:
    """How values are written: what separates and encloses them, what stands before a quote within one, what ends a
    line (`\\n`, also after a `\\r`; or `\\r`), and which unquoted texts are no value.

    quote: empty where nothing encloses values. escape: the quote itself where it is doubled.
    """

    delimiter: str
    quote: str = '"'
    escape: str = '"'
    newline: str = "\n"
    nulls: frozenset[str] = frozenset({""})

    @cached_property
    def _body(self) -> str:
        quote, escape = re.escape(self.quote), re.escape(self.escape)
        if not self.escape or self.escape == self.quote:
            return f"(?:[^{quote}]|{quote}{quote})*+"
        return f"(?:[^{quote}{escape}]|{escape}.|{quote}{quote})*+"

    @cached_property
    def _end(self) -> str:
        return r"\r*\n" if self.newline == "\n" else r"\r"

    @cached_property
    def _plain(self) -> str:
        """A value without quotes: it may hold one, but does not begin with it."""
        escape = re.escape(self.escape) if self.escape and self.escape != self.quote else ""
        escaped = f"{escape}." if escape else "(?!)"
        last = re.escape(self.newline)
        return f"(?!{self._quote})(?:{escaped}|(?!{self._delimiter}|{self._end})[^{last}{escape}])*+"

    @cached_property
    def _delimiter(self) -> str:
        return re.escape(self.delimiter)

    @cached_property
    def _quote(self) -> str:
        return re.escape(self.quote) or "(?!)"

    @cached_property
    def _before(self) -> str:
        """What may stand before a quote that begins a value: blanks, which many write after a delimiter."""
        return "" if self.delimiter == " " else " *"

    @cached_property
    def _after(self) -> str:
        return f"(?={self._delimiter}|{self._end}|\\Z)"

    @cached_property
    def _value(self) -> str:
        return f"(?:{self._before}{self._quote}{self._body}{self._quote}{self._after}|{self._plain})"

    @cached_property
    def whole(self) -> re.Pattern[str]:
        """A well-formed record with its end."""
        return re.compile(f"{self._value}(?:{self._delimiter}{self._value})*+(?:{self._end}|\\Z)", re.DOTALL)

    @cached_property
    def unended(self) -> re.Pattern[str]:
        """A record whose last value is still open where the text ends."""
        opened = f"{self._before}{self._quote}{self._body}\\Z"
        return re.compile(f"(?:{self._value}{self._delimiter})*+{opened}", re.DOTALL)

    @cached_property
    def values(self) -> re.Pattern[str]:
        """Each value of a record that has a delimiter put before it: the quote, what it encloses, or the plain text."""
        enclosed = f"{self._before}({self._quote})({self._body}){self._quote}{self._after}"
        return re.compile(f"{self._delimiter}(?:{enclosed}|({self._plain}))", re.DOTALL)

    def plain_text(self, text: str) -> str:
        """Return what a value says: doubled quotes are one, an escaped character is itself."""
        if self.escape and self.escape != self.quote and self.escape in text:
            special = re.escape(self.delimiter[0] + self.quote + self.escape) + r"\r\n"
            text = re.sub(f"{re.escape(self.escape)}([{special}])", r"\1", text)
        return text


class Record(NamedTuple):
    """A record: its values, None for those that are none; or, without values, why it is none. `text` is its own, with
    its end; lines: how many the text has. is_plain: nothing is enclosed in it, and Form.nulls are still in `values`.
    """

    values: list[str | None] | None
    text: str
    lines: int = 1
    reason: str = ""
    is_plain: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in its line."""
        return self.text[:1] in "\r\n" and not self.text.rstrip("\r\n")

    def resolved(self, form: Form) -> Record:
        """Return the same with None for what is no value."""
        if not self.is_plain:
            return self
        values = [None if each in form.nulls else each for each in self.values or ()]
        return self._replace(values=values, is_plain=False)


def newline_of(text: str) -> str:
    """Return what ends the lines of a text, by the first of them."""
    first = re.search(r"\n|\r", text)
    if first is None or first.group() == "\n" or text[first.end() : first.end() + 1] in ("\r", "\n"):
        return "\n"
    return "\r"


def split(text: str, form: Form, *, final: bool) -> Iterator[Record]:
    """Yield the records of a text that ends with a newline, or with the file (`final`).

    The last one that is not yielded is not complete: it wants more text.
    """
    delimiter, quote, newline = form.delimiter, form.quote, form.newline
    between = f"{quote}{delimiter}{quote}"
    escape = form.escape if form.escape != quote else ""
    position, length = 0, len(text)
    while position < length:
        stop = text.find(newline, position)
        end = length if stop < 0 else stop + 1
        line = text[position : length if stop < 0 else stop]
        if newline == "\n" and line.endswith("\r"):
            line = line.rstrip("\r")
        if (not quote or quote not in line) and (not escape or escape not in line):
            plain: list[str | None] = line.split(delimiter)  # type: ignore[assignment]
            yield Record(plain, text[position:end], 1, "", True)
            position = end
            continue
        if quote and not escape and line[0] == quote == line[-1]:
            found = line[1:-1].split(between)
            if line.count(quote) == 2 * len(found):
                yield Record([*found], text[position:end])
                position = end
                continue
        record = _parsed(text, position, end, form, final=final)
        if record is None:
            return
        yield record
        position += len(record.text)


def _parsed(text: str, start: int, line_end: int, form: Form, *, final: bool) -> Record | None:
    """Return the record that begins at `start`; None where it wants more text."""
    match = form.whole.match(text, start)
    if match is None or match.end() - start > MOST_CHARACTERS:
        long = match is not None
        if not final and not long and len(text) - start <= MOST_CHARACTERS and form.unended.match(text, start):
            return None
        return Record(None, text[start:line_end], 1, TOO_LONG if long else BAD_QUOTE)
    said = match.group()
    body = said.removesuffix(form.newline)
    body = body.rstrip("\r") if form.newline == "\n" and len(body) < len(said) else body
    doubled = form.quote * 2
    values = [
        form.plain_text(inner.replace(doubled, form.quote)) if mark
        else None if plain in form.nulls
        else form.plain_text(plain)
        for mark, inner, plain in form.values.findall(form.delimiter + body)
    ]  # fmt: skip
    lines = said.count(form.newline) + (not said.endswith(form.newline))
    return Record(values, said, lines)


@dataclass
class Account:
    """What became of a text's lines: all of them are in it, or the file is not loaded.

    within: line ends within values, counted in the values themselves.
    """

    lines: int = 0
    passed: int = 0
    header: int = 0
    rows: int = 0
    within: int = 0
    aside: int = 0
    blank: int = 0

    @property
    def missing(self) -> int:
        """Lines of which nobody knows what became of them."""
        return self.lines - self.passed - self.header - self.rows - self.within - self.aside - self.blank


def read(texts: Iterable[str], form: Form, account: Account) -> Iterator[Record]:
    """Yield the records of a text that comes in parts, and count its lines into `account`."""
    rest = ""
    for part in texts:
        account.lines += part.count(form.newline)
        text = rest + part
        end = text.rfind(form.newline) + 1
        done = 0
        for record in split(text[:end], form, final=False):
            done += len(record.text)
            yield record
        rest = text[done:]
        if not end and len(rest) > 2 * MOST_CHARACTERS:
            raise ValueError(f"a line {TOO_LONG}")
    account.lines += bool(rest) and not rest.endswith(form.newline)
    yield from split(rest, form, final=True)
