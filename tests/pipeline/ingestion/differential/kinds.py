"""Types of PostgreSQL, values of each that the world has, and what each becomes in the lake.

This is the one place that says what a comparison means: `stored` is the value that the lake has to hold
(docs/ingestion.md, types), as an SQL expression that PostgreSQL itself evaluates, and `misfit` which values it can't.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

Family = Literal["boolean", "whole", "decimal", "real", "double", "date", "timestamp", "timestamptz", "text"]
"""How values are compared and asked for: the lake's types, decimals of any precision in one."""

PRINTED = "case when num_nulls({c}) = 0 then format('%s', {c}) end"
"""The text that PostgreSQL prints: format() asks the type's output function, where a cast may change the value."""


@dataclass(frozen=True, repr=False)
class Kind:
    """A column's type. {c} stands for the column, {i} for a number that grows from row to row.

    values: literals of which some are drawn. random: makes others. stored: SQL of the value in the lake. misfit: SQL,
    true for values that have to be set aside. filler: SQL of ordinary values, in the order of the rows.
    compared: SQL type in which the stored value is compared. key: whether it may be a key.
    """

    name: str
    sql: str
    family: Family
    values: tuple[str, ...]
    filler: str
    stored: str = "{c}"
    misfit: str | None = None
    compared: str = ""
    random: st.SearchStrategy[str] | None = None
    key: bool = False
    sums: bool = False
    large: bool = False
    """Whether values can be long enough to be stored outside of the row (TOAST)."""

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def literals(self) -> st.SearchStrategy[str]:
        """Return what values are drawn from, the simplest first."""
        chosen = st.sampled_from(self.values)
        return chosen if self.random is None else chosen | self.random


def _printed(name: str, sql: str, values: Sequence[str], filler: str, **options: object) -> Kind:
    return Kind(name, sql, "text", tuple(values), filler, PRINTED, compared="text", **options)  # type: ignore[arg-type]


def _decimal(precision: int, scale: int, *values: str, **options: object) -> Kind:
    name = f"numeric({precision},{scale})"
    return Kind(
        name, name, "decimal", (*values, "0", "-0.00", "NaN"), "{i}", misfit="{c} = 'NaN'",
        compared=f"numeric({precision},{scale})", sums=precision < 30, **options,  # type: ignore[arg-type]
    )  # fmt: skip


class Long(str):
    """A text that begins with one letter many times, shown as what it is: Hypothesis prints all that it draws."""

    __slots__ = ()

    def __repr__(self) -> str:
        tail = self.lstrip(self[:1])
        return f"{self[:1]!r} * {len(self) - len(tail)}" + (f" + {tail!r}" if tail else "")


LETTERS = (
    "", "a", "b", " ", "a ", "A", "é", "e\u0301", "ß", "Ω", "日本", "🐕", "\U0001f469\u200d\U0001f467", "\u200f",
    "\t", "\n", "\r\n", "\\", "\\N", "NULL", "null", "nan", "NaN", "0", "007", "1_000", "1e400", "'", '"', '""', ",",
    ";", "%", "_", "a%b", "#", "# a", "#ff0000", "--", "/*", "{", "[1", "true", "2026-01-01", "\ufeffbom", "\uffff",
    "\U0010ffff", "\x01", "\x7f",
)  # fmt: skip
LONG = tuple(Long(letter * count) for count in (4_095, 4_096, 4_097, 9_000) for letter in "apzé")
HUGE = (Long("x" * 1_000_000), Long("🐕" * 260_000))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
PREFIXED = st.builds(lambda tail: Long("p" * 4_200 + tail), st.text("abz", max_size=2))
"""Long texts that differ after more than Parquet's writers compare."""
MOMENTS = (
    "2026-03-29 02:30:00.123456", "1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", "1901-12-13 20:45:52.000001",
    "0001-01-01 00:00:00", "0001-01-01 00:00:00.000001", "1582-10-10 12:00:00", "9999-12-31 23:59:59.999999",
    "1883-11-18 12:03:58", "2038-01-19 03:14:08",
)  # fmt: skip
BEYOND = ("infinity", "-infinity", "10000-01-01 00:00:00", "0001-12-31 23:59:59 BC", "294276-12-31 00:00:00")
DOCUMENTS = (
    "{}", "[]", "null", "1", "1.0", "1.10", "-0", "1e2", '"a"', '""', "true", '{"a": 1}', '{"a": {"b": [1.5, null]}}',
    '{"é": "🐕"}', "12345678901234567890123456789", '{"price": 0.1, "big": 9007199254740993}', '[[[]]]', '"a\\"b\\\\"',
    '{"a b": "2026-01-01T00:00:00Z"}',
)  # fmt: skip
FLOATS = (
    "0", "1.5", "-1.5", "NaN", "Infinity", "-Infinity", "-0", "0.1", "0.3", "1e-30", "1e30", "123456.78", "16777217"
)  # fmt: skip

KINDS: tuple[Kind, ...] = (
    Kind("integer", "integer", "whole", ("0", "1", "-1", "7", "2147483647", "-2147483648"), "{i}",
         compared="integer", random=st.integers(-(2**31), 2**31 - 1).map(str), key=True, sums=True),
    _printed("text", "text", (*LETTERS, *LONG, *HUGE), "'k' || lpad(({i})::text, 6, '0')",
             random=TEXTS | PREFIXED, key=True, large=True),
    Kind("smallint", "smallint", "whole", ("0", "1", "-32768", "32767"), "({i}) % 30000",
         compared="integer", sums=True, key=True),
    Kind("bigint", "bigint", "whole", ("0", "1", "9007199254740993", "9223372036854775807", "-9223372036854775808"),
         "({i})::bigint * 4294967296", compared="bigint", random=st.integers(-(2**63), 2**63 - 1).map(str),
         key=True, sums=True),
    Kind("boolean", "boolean", "boolean", ("true", "false"), "({i}) % 2 = 0", compared="boolean", key=True),
    Kind("double", "double precision", "double", (*FLOATS, "1.7976931348623157e308", "5e-324", "0.30000000000000004"),
         "({i}) + 0.5", compared="double precision",
         random=st.floats(allow_subnormal=True).map(lambda value: repr(value).replace("inf", "Infinity"))),
    Kind("real", "real", "real", (*FLOATS, "3.4028235e38", "1e-45"), "({i}) + 0.5", compared="real"),
    _decimal(12, 2, "1234567890.12", "-0.01", "0.1", "9999999999.99", key=True),
    _decimal(18, 0, "999999999999999999", "-1", "1"),
    _decimal(30, 4, "12345678901234567890123456.1234", "-0.0001"),
    _decimal(38, 0, "99999999999999999999999999999999999999", "-12345678901234567890123456789012345678", "1"),
    _decimal(38, 18, "12345678901234567890.123456789012345678", "-0.000000000000000001"),
    Kind("numeric(5,-2)", "numeric(5,-2)", "decimal", ("12300", "-9999900", "0"), "({i}) * 100",
         misfit="{c} = 'NaN'", compared="numeric(7,0)", sums=True),
    Kind("numeric(2,4)", "numeric(2,4)", "decimal", ("0.0099", "-0.0001", "0"), "0.0001 * (({i}) % 99)",
         misfit="{c} = 'NaN'", compared="numeric(4,4)", sums=True),
    Kind("numeric", "numeric", "decimal",
         ("0", "1.5", "-0.000000001", "12345678901234567890123456789.123456789", "NaN", "Infinity", "-Infinity", "1e30",
          "0.0000000001", "100000000000000000000000000000"),
         "({i}) + 0.25", compared="numeric(38,9)",
         misfit="({c} in ('NaN', 'Infinity', '-Infinity') or abs({c}) >= 1e29 or scale(trim_scale({c})) > 9)"),
    _printed("numeric(50,10)", "numeric(50,10)", ("1.1", "NaN", "1234567890123456789012345678901234567890.12"), "{i}"),
    Kind("date", "date", "date",
         ("2026-01-31", "1970-01-01", "1969-12-31", "0001-01-01", "9999-12-31", "1582-10-10", "infinity", "-infinity",
          "0001-12-31 BC", "10000-01-01"),
         "date '2000-01-01' + ({i})::int", compared="date", misfit="({c} < '0001-01-01' or {c} > '9999-12-31')",
         key=True),
    Kind("timestamp", "timestamp", "timestamp", (*MOMENTS, *BEYOND),
         "timestamp '2000-01-01' + ({i}) * interval '1 minute'", compared="timestamp",
         misfit="({c} < '0001-01-01' or {c} >= '10000-01-01')", key=True),
    Kind("timestamptz", "timestamptz", "timestamptz",
         (*(f"{each}+00" for each in MOMENTS), "2026-03-29 02:30:00.123456+05:30", "2026-10-25 02:30:00 Europe/Berlin",
          "infinity", "-infinity", "10000-01-01 00:00:00+00", "9999-12-31 23:59:59.999999-12"),
         "timestamptz '2000-01-01 00:00:00+00' + ({i}) * interval '1 minute'", compared="timestamptz",
         misfit="({c} < '0001-01-01 00:00:00+00' or {c} >= '10000-01-01 00:00:00+00')", key=True),
    _printed("varchar(20)", "varchar(20)", [each for each in LETTERS if len(each) <= 20], "'v' || {i}", key=True),
    _printed("char(5)", "char(5)", ["a", "", "abcde", "é", "ab ", "0"], "lpad((({i}) % 99999)::text, 4, '0')",
             key=True),
    _printed("uuid", "uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000",
                              "ffffffff-ffff-ffff-ffff-ffffffffffff"],
             "lpad(to_hex({i}), 32, '0')::uuid", random=st.uuids().map(str), key=True),
    _printed("jsonb", "jsonb", DOCUMENTS, "jsonb_build_object('n', {i})", large=True),
    _printed("json", "json", (*DOCUMENTS, '"\\u0000"', '{ "a" : 1,  "a": 2 }', '"\\ud83d\\udc15"'),
             "json_build_object('n', {i})", large=True),
    _printed("time", "time", ["00:00:00", "23:59:59.999999", "24:00:00", "02:30:00.5"],
             "time '00:00' + ({i}) * interval '1 second'"),
    _printed("timetz", "timetz", ["00:00:00+00", "23:59:59.999999-12", "02:30:00+05:30"], "timetz '00:00:00+00'"),
    _printed("interval", "interval", ["0", "1 day", "-1 month +3 days -04:05:06.789", "178000000 years", "25:61:61"],
             "({i}) * interval '1 second'"),
    _printed("bytea", "bytea", ["", "\\x00ff", "\\xdeadbeef", "\\x5c78", "abc", "\\x" + "ab" * 5_000],
             "decode(lpad(to_hex({i}), 8, '0'), 'hex')", large=True),
    _printed("bit(3)", "bit(3)", ["000", "101"], "(({i}) % 8)::bit(3)"),
    _printed("varbit", "bit varying", ["", "1", "0101010101"], "({i})::int::bit(32)"),
    _printed("money", "money", ["0", "-1234567.89", "92233720368547758.07"], "({i})::numeric::money"),
    _printed("xml", "xml", ["<a/>", "<a b=\"é\">x &amp; y</a>", "text", "<?xml version=\"1.0\"?><a/>"],
             "('<n>' || {i} || '</n>')::xml"),
    _printed("hstore", "hstore", ["", "a=>1", '"a b"=>"c, d", e=>NULL', '"é"=>"\\""'], "hstore('n', ({i})::text)"),
    _printed("citext", "citext", ["a", "A", "", "É", "ß"], "'c' || {i}", key=False),
    _printed("mood", "mood", ["sad", "ok", "Very happy, é"], "(enum_range(null::mood))[1 + ({i})::int % 3]"),
    Kind("price", "price", "decimal", ("9.99", "0.01", "99999999.99"), "({i}) % 90000000 + 1",
         compared="numeric(10,2)", sums=True),
    _printed("label", "label", ["a", "", "é 🐕"], "'l' || {i}", key=True),
    _printed("integer[]", "integer[]", ["{}", "{1,2,NULL}", "{{1,2},{3,4}}", "[0:1]={5,6}"], "array[{i}, 1]"),
    _printed("double[]", "double precision[]", ["{}", "{NaN,-0,0.30000000000000004,Infinity}"],
             "array[({i})::double precision / 7]"),
    _printed("text[]", "text[]", ["{}", '{a,"b c","",NULL,"NULL","\\"","\\\\"}', "{é,🐕}"], "array['t' || {i}]"),
    _printed("timestamptz[]", "timestamptz[]", ["{}", '{"2026-07-01 10:00:00+00","0001-01-01 00:00:00+00"}'],
             "array[timestamptz '2026-07-01 12:00:00+00' + ({i}) * interval '1 hour']"),
    _printed("bytea[]", "bytea[]", ["{}", '{"\\\\x00ff"}'], "array[decode(lpad(to_hex({i}), 8, '0'), 'hex')]"),
    _printed("int4range", "int4range", ["empty", "[1,5)", "(,)", "[1,1]"], "int4range({i}, ({i}) + 2)"),
    _printed("tstzrange", "tstzrange", ["empty", "[2026-07-01 10:00:00+00,2026-07-01 11:00:00+00)", "(,)"],
             "tstzrange(timestamptz '2026-07-01 12:00:00+00', null)"),
    _printed("numrange", "numrange", ["empty", "[1.10,2.5]"], "numrange({i}, null)"),
    _printed("inet", "inet", ["127.0.0.1", "::1", "10.0.0.0/8"], "'10.0.0.1'::inet + ({i})::int"),
    _printed("macaddr", "macaddr", ["08:00:2b:01:02:03"], "'08:00:2b:01:02:03'::macaddr"),
    _printed("point", "point", ["(1.5,-2)", "(NaN,Infinity)", "(0.30000000000000004,0)"], "point({i}, 1)"),
    _printed("tsvector", "tsvector", ["'a':1 'b':2", ""], "to_tsvector('simple', 'n' || {i})"),
    _printed("pair", "pair", ['(1,"a b")', "(,)", '(2,"2026-07-01")'], "row({i}, 'x')::pair"),
    _printed("name", "name", ["a", "é"], "('n' || {i})::name"),
    _printed("oid", "oid", ["0", "4294967295"], "({i})::oid"),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}
SIMPLE = BY_NAME["integer"]
DECLARATIONS = (
    "create extension if not exists citext",
    "create extension if not exists hstore",
    "create type mood as enum ('sad', 'ok', 'Very happy, é')",
    "create domain price as numeric(10,2) check (value > 0)",
    "create domain label as text check (length(value) < 100)",
    "create type pair as (n int, t text)",
)
"""What the types need, once in a database."""
