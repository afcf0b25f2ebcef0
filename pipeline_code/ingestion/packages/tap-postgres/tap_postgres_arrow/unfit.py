"""Rows with a value that the lake's exact types cannot hold: found by PostgreSQL, sent separately as text.

A normal run does not check each value. If a read meets a value that does not fit, the table is read again without the
rows that these conditions find, and these rows follow as records of the stream `quarantine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headwater_tap import apart

from tap_postgres_arrow.columns import Column, UnrepresentableValueError, quoted
from tap_postgres_arrow.engine import UNCHECKED
from tap_postgres_arrow.source import Source, Table

MOST_ROWS = 10_000
"""Rows of a table that are sent apart; with more of them the column's type is wrong, not the rows."""

# Bytes of a text in such a database, one character each: Unicode 15, table 3-7.
_UTF8 = (
    r"^([\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    r"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*$"
)
_YEARS = "is infinite or outside of the years 1 to 9999, which is what readers of the lake can show"


def misfit(column: Column, encoding: str) -> tuple[str, str] | None:
    """Return a SQL condition for the values of a column that don't fit, and the reason; None if all values do."""
    name = quoted(column.name)
    if column.decimal is not None:
        precision, scale = column.decimal
        if column.precision is not None:
            return f"{name} = 'NaN'", f"numeric({precision},{scale}) holds no NaN"
        return (
            # NaN is greater than all numbers.
            f"(abs({name}) >= 1e{precision - scale} or scale(trim_scale({name})) > {scale})",
            f"does not fit numeric({precision},{scale}): NaN, infinity, or too many digits",
        )
    match column.base_type:
        case "date":
            return f"({name} < date '0001-01-01' or {name} > date '9999-12-31')", _YEARS
        case "timestamp" | "timestamptz":
            zone = "+00" if column.base_type == "timestamptz" else ""
            bounds = [f"{column.base_type} '{year}-01-01 00:00:00{zone}'" for year in ("0001", "10000")]
            return f"({name} < {bounds[0]} or {name} >= {bounds[1]})", _YEARS
    if encoding == UNCHECKED and column.type_name == "varchar":
        return f"{name}::text !~ '{_UTF8}'", "is no UTF-8"
    return None


def condition(columns: Sequence[Column], encoding: str) -> str | None:
    """Return a SQL condition for rows that don't fit; None if no column can hold such a value."""
    found = [each[0] for column in columns if (each := misfit(column, encoding)) is not None]
    return "(" + " or ".join(found) + ")" if found else None


def records(source: Source, table: Table, columns: Sequence[Column], among: str | None) -> Iterator[dict[str, Any]]:
    """Yield the rows that don't fit, as the stream's records. `among` is the SQL condition of the rows to send.

    Raises UnrepresentableValueError when there are more than MOST_ROWS.
    """
    misfits = [(column, *each) for column in columns if (each := misfit(column, source.encoding)) is not None]
    rows = _read(source, table, columns, among, misfits) if misfits else []
    if len(rows) > MOST_ROWS:
        column, _, reason = misfits[rows[0][0]]
        raise UnrepresentableValueError(
            f"{table.relation}: more than {MOST_ROWS} rows don't fit, as a rule column {column.name}: it {reason}. "
            "Correct the column in the source, or deselect it."
        )
    for number, key, row, value in rows:
        column, _, reason = misfits[number]
        yield apart.record(table.stream, key, row, column=column.name, reason=reason, value=value)


def _read(
    source: Source,
    table: Table,
    columns: Sequence[Column],
    among: str | None,
    misfits: Sequence[tuple[Column, str, str]],
) -> list[tuple[Any, ...]]:
    conditions = [condition for _, condition, _ in misfits]
    which = " ".join(f"when {each} then {number}" for number, each in enumerate(conditions))
    values = [(each, _text(f"{quoted(column.name)}::text", source)) for column, each, _ in misfits]
    value = " ".join(f"when {each} then {text}" for each, text in values)
    key = [column for column in table.columns if column.name in table.primary_key]
    also = "" if among is None else f" and ({among})"
    return source.connection.query(
        f"select (case {which} end)::int as which, {_object(key, source)} as key, {_object(columns, source)} as row, "  # noqa: S608
        f"case {value} end as value from {table.sql} where ({' or '.join(conditions)}){also} limit {MOST_ROWS + 1}"
    )


def _object(columns: Sequence[Column], source: Source) -> str:
    """Return SQL for a JSON object of columns, each as it would be sent, or as `_text` has it."""
    texts = [column.value if column.type_name != "varchar" else _text(column.value, source) for column in columns]
    items = ", ".join(f"{text} as {quoted(column.name)}" for text, column in zip(texts, columns, strict=True))
    # The alias must be no column's name, or it would mean the column.
    row = f"row_to_json((select headwater_row from (select {items}) headwater_row))::text"  # noqa: S608 - quoted names
    return row if columns else "'{}'"


def _text(expression: str, source: Source) -> str:
    """Return SQL for a text that is UTF-8: bytes beyond ASCII of one that is none are written as \\ooo."""
    if source.encoding != UNCHECKED:
        return expression
    text = f"({expression})::text"
    return f"case when {text} ~ '{_UTF8}' then {text} else encode(textsend({text}), 'escape') end"
