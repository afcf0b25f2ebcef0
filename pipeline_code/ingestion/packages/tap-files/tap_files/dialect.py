"""How a CSV file is written: found out of its beginning by DuckDB's sniffer, or as the settings say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tap_files.errors import FilesError
from tap_files.settings import StreamSettings

_COMMA = re.compile(r"-?[0-9]+,[0-9]+")
_NONE = {"(empty)", ""}


@dataclass(frozen=True)
class Dialect:
    """A CSV file's dialect, and the names of its columns: distinct, in the file's order.

    skip: lines before the header. comment: what begins lines that are none; empty without one. decimal: the character
    before the fraction of a number.
    """

    delimiter: str
    quote: str
    escape: str
    header: bool
    skip: int
    comment: str
    encoding: str
    decimal: str
    columns: tuple[str, ...]


def literal(text: str) -> str:
    """Return an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as columns can have them: none empty, none twice."""
    found: dict[str, None] = {}
    for number, name in enumerate(names, start=1):
        base = name.strip() or f"column{number}"
        chosen, count = base, 1
        while chosen in found:
            count += 1
            chosen = f"{base}_{count}"
        found[chosen] = None
    return tuple(found)


def sniffed(duck: duckdb.DuckDBPyConnection, path: Path, place: str, given: StreamSettings, encoding: str) -> Dialect:
    """Return the dialect of the CSV text at `path`, the beginning of a file in UTF-8; `place` names it in errors.

    What `given` says is not looked for. FilesError where no dialect fits.
    """
    options = ["sample_size=-1", "ignore_errors=true", "max_line_size=16777216"]
    for name, value in (("delim", given.delimiter), ("quote", given.quote), ("escape", given.escape)):
        options += [] if value is None else [f"{name}={literal(value)}"]
    options += [] if given.header is None else [f"header={str(given.header).lower()}"]
    options += [] if given.skip is None else [f"skip={given.skip}"]
    fields = "Delimiter, Quote, Escape, HasHeader, SkipRows, Comment, [each.name for each in Columns]"
    try:
        (row,) = duck.execute(
            f"select {fields} from sniff_csv({literal(str(path))}, {', '.join(options)})"  # noqa: S608
        ).fetchall()
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise FilesError(
            f"{place} is no CSV that can be recognized ({first}); say delimiter, quote and header for its stream"
        ) from error
    delimiter, quote, escape, header, skip, comment, names = row
    quote = '"' if quote in _NONE else quote  # none in the beginning: there may be one later
    chosen = Dialect(
        delimiter=given.delimiter or ("," if delimiter in _NONE else delimiter),
        quote=given.quote if given.quote is not None else quote,
        escape=given.escape if given.escape is not None else quote if escape in _NONE else escape,
        header=bool(header) if given.header is None else given.header,
        skip=int(skip) if given.skip is None else given.skip,
        comment="" if comment in _NONE else comment,
        encoding=encoding,
        decimal=given.decimal or ".",
        columns=distinct(names),
    )
    if given.decimal is None and _has_commas(duck, path, chosen):
        return Dialect(**{**chosen.__dict__, "decimal": ","})
    return chosen


def source(path: Path, dialect: Dialect, rejects: str | None = None) -> str:
    """Return SQL for the rows of a CSV text, all columns as text.

    `rejects` is the name of a table that takes the lines that are no rows of it; without it they are skipped.
    """
    columns = ", ".join(f"{literal(name)}: 'varchar'" for name in dialect.columns)
    options = {
        "delim": literal(dialect.delimiter),
        "quote": literal(dialect.quote),
        "escape": literal(dialect.escape),
        "header": str(dialect.header).lower(),
        "skip": str(dialect.skip),
        "columns": f"{{{columns}}}",
        "auto_detect": "false",
        "allow_quoted_nulls": "false",
        "max_line_size": "16777216",
        **({"comment": literal(dialect.comment)} if dialect.comment else {}),
        **(
            {"ignore_errors": "true"}
            if rejects is None
            else {
                "store_rejects": "true",
                "rejects_table": literal(rejects),
                "rejects_scan": literal(f"{rejects}_scans"),
            }
        ),
    }
    said = ", ".join(f"{name}={value}" for name, value in options.items())
    return f"read_csv({literal(str(path))}, {said})"


def _has_commas(duck: duckdb.DuckDBPyConnection, path: Path, dialect: Dialect) -> bool:
    """Whether some column of the sample holds numbers with a decimal comma, and none but such, or whole ones."""
    if dialect.delimiter == ",":
        return False
    quoted = ['"' + name.replace('"', '""') + '"' for name in dialect.columns]
    tests = [
        f"count_if(regexp_full_match({name}, {literal(_COMMA.pattern)})) > 0 and count({name}) = "
        f"count_if(regexp_full_match({name}, '-?[0-9]+(,[0-9]+)?'))"
        for name in quoted
    ]
    (row,) = duck.execute(f"select {', '.join(tests)} from {source(path, dialect)}").fetchall()  # noqa: S608
    return any(row)
