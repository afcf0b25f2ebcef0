"""What may happen to a column of a source, each case in a column of its own, so that any of them go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MODES = ("append", "merge", "soft", "log")
"""Appended versions; merged; merged from complete reads, deletions marked; merged from the source's log."""


@dataclass(frozen=True)
class Case:
    """A column, and what becomes of it.

    `kind`, `value`: its type and the expression of its values at first; `contract`: its line in the contract.
    `drift`: statements that change it; `new`: what is then written, by column. `back`, `old`: the same to undo it.
    `kinds`: kinds of finding of which one has to name the column; none if the change is no deviation. `stored`: the
    type of the table's column after it. `added`: the column that the source has instead, with its finding.
    """

    name: str
    kind: str
    value: str
    contract: str
    drift: Sequence[str]
    new: Mapping[str, str]
    back: Sequence[str]
    old: Mapping[str, str]
    kinds: frozenset[str] = frozenset()
    stored: str | None = None
    added: str | None = None
    modes: Sequence[str] = MODES

    @property
    def column(self) -> str:
        """The column's name."""
        return f"c_{self.name}"


def _typed(  # noqa: PLR0917 - read as a table
    name: str, before: str, value: str, after: str, new: str, contract: str, *kinds: str, **options: object
) -> Case:
    """Return the case of a column whose type changes; values become each other by a cast."""
    column = f"c_{name}"
    using = options.pop("using", f"{column}::{after}")
    back_using = options.pop("back_using", f"{column}::text::{before}")
    return Case(
        name, before, value, contract,
        (f"alter table shop.things alter {column} type {after} using {using}",), {column: new},
        (f"alter table shop.things alter {column} type {before} using {back_using}",), {column: value},
        frozenset(kinds), **options,  # type: ignore[arg-type]
    )  # fmt: skip


WIDENED, CHANGED = "type_widened", "type_changed"

CASES = (
    Case(
        "new", "int", "id", "integer", ("alter table shop.things add c_new_gift boolean not null default true",),
        {"c_new_gift": "id % 2 = 0"}, ("alter table shop.things drop c_new_gift",), {}, added="c_new_gift",
    ),
    Case(
        "dropped", "text", "'d' || id", "text", ("alter table shop.things drop c_dropped",), {},
        ("alter table shop.things add c_dropped text",), {"c_dropped": "'again ' || id"}, frozenset({"missing_column"}),
    ),
    Case(
        "renamed", "text", "'r' || id", "text", ("alter table shop.things rename c_renamed to c_renamed_to",),
        {"c_renamed_to": "'R' || id"}, ("alter table shop.things rename c_renamed_to to c_renamed",),
        {"c_renamed": "'r2 ' || id"}, frozenset({"missing_column"}), added="c_renamed_to",
    ),
    _typed("int", "int", "id", "bigint", "5000000000 + id", "integer", WIDENED, stored="long", back_using="7"),
    _typed("real", "real", "id + 0.5", "double precision", "id + 0.125", "real", WIDENED, stored="double"),
    _typed("digits", "numeric(12,2)", "id + 0.25", "numeric(14,2)", "999999999999.25", "'numeric(12,2)'", WIDENED,
           stored="decimal(14, 2)", back_using="7.25"),
    _typed("fewer", "numeric(12,2)", "id + 0.25", "numeric(8,2)", "id + 0.75", "'numeric(12,2)'",
           stored="decimal(12, 2)"),
    _typed("scale", "numeric(12,2)", "id + 0.25", "numeric(12,4)", "id + 0.1234", "'numeric(12,2)'", CHANGED),
    _typed("text", "numeric(12,2)", "id + 0.25", "text", "'free ' || id", "'numeric(12,2)'", CHANGED, back_using="7"),
    _typed("number", "int", "id", "text", "'no. ' || id", "integer", CHANGED, back_using="7"),
    _typed("zone", "timestamp", "timestamp '2026-01-01' + id * interval '1 s'", "timestamptz",
           "timestamptz '2026-02-01 00:00+00' + id * interval '1 s'", "timestamp", CHANGED,
           using="c_zone at time zone 'UTC'", back_using="c_zone at time zone 'UTC'"),
    _typed("day", "date", "date '2026-01-01' + id::int", "timestamp", "timestamp '2026-02-01 10:00'", "date",
           WIDENED, CHANGED, back_using="c_day::date"),
    _typed("flag", "boolean", "id % 2 = 0", "int", "id", "boolean", CHANGED, using="c_flag::int",
           back_using="c_flag > 0"),
    _typed("exact", "double precision", "id + 0.5", "numeric(20,4)", "id + 0.1234", "double", CHANGED),
    _typed("decimal", "int", "id", "numeric(12,2)", "id + 0.25", "integer", WIDENED, CHANGED, back_using="7"),
    _typed("narrow", "bigint", "id", "int", "id + 1", "bigint", stored="long"),
    _typed("short", "text", "'s' || id", "varchar(20)", "'S' || id", "text", stored="string"),
    _typed("uuid", "uuid", "gen_random_uuid()", "text", "'u' || id", "text", stored="string",
           back_using="gen_random_uuid()"),
    Case(
        "nullable", "text not null", "'n' || id", "{type: text, required: true}",
        ("alter table shop.things alter c_nullable drop not null",), {"c_nullable": "null"},
        ("update shop.things set c_nullable = 'full' where c_nullable is null",
         "alter table shop.things alter c_nullable set not null"),
        {"c_nullable": "'n' || id"}, frozenset({"nullable"}), modes=("append", "merge", "soft"),
    ),
    Case(
        "enum", "shop.mood", "'calm'", "text", ("alter type shop.mood add value if not exists 'wild'",),
        {"c_enum": "'wild'"}, (), {"c_enum": "'calm'"},
    ),
    Case(
        "json", "jsonb", "'{\"a\": 1}'", "text", (), {"c_json": "'[1, {\"b\": null}]'"}, (),
        {"c_json": "'{\"a\": 2}'"},
    ),
    Case(
        "nan", "numeric(6,2)", "id", "'numeric(6,2)'", (), {"c_nan": "'NaN'"}, (), {"c_nan": "1"},
    ),
    Case(
        "endless", "date", "date '2026-01-01'", "date", (), {"c_endless": "'infinity'"}, (),
        {"c_endless": "date '2026-01-02'"},
    ),
    Case(
        "cast", "text", "'1.5'", "{type: 'numeric(6,2)', cast: true}", (),
        {"c_cast": "case when id % 2 = 0 then 'heavy' else '2' end"}, (), {"c_cast": "'3'"},
    ),
    Case(
        "key", "int", "id", "integer", ("update shop.things set id = id + 100000 where id = 50",), {}, (), {},
    ),
    Case(
        "emptied", "int", "id", "integer", ("delete from shop.things where id > 5",), {}, (), {},
    ),
)  # fmt: skip
