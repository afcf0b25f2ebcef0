"""Public data, as files and as a database: every value of the lake equals what Python reads of the file.

The files come inside packages (requirements/datasets.in). The truth is read by Python's csv and json modules, which
share nothing with the engine that the tap reads with.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import reading
from conftest import Shop
from exports import Exports
from psycopg import sql
from pyiceberg.types import DecimalType, IcebergType

BOKEH = "bokeh_sampledata/_data"
WITH_HEADER = (
    f"{BOKEH}/SampleSuperstore.csv.gz",  # retail
    "lifetimes/datasets/example_transactions.csv",
    "lifetimes/datasets/cdnow_customers_summary_with_transactions.csv",
    f"{BOKEH}/routes.csv.gz",  # flights
    f"{BOKEH}/airports.csv",
    "airportsdata/airports.csv",
    "vega_datasets/_data/airports.csv",
    f"{BOKEH}/world_cities.csv.gz",  # geography
    f"{BOKEH}/gapminder.csv.gz",
    "hvsampledata/_data/earthquakes.csv",  # the earth's physics
    f"{BOKEH}/sea_surface_temperature.csv.gz",
    f"{BOKEH}/lincoln_weather.csv",
    "vega_datasets/_data/seattle-weather.csv",
    "vega_datasets/_data/sf-temps.csv",
    f"{BOKEH}/elements.csv",  # chemistry, with an exponent
    f"{BOKEH}/forensic_glass.csv",
    f"{BOKEH}/stocks.csv.gz",  # markets
    "hvsampledata/_data/apple_stocks.csv",
    "vega_datasets/_data/stocks.csv",
    f"{BOKEH}/CGM.csv.gz",  # medicine
    f"{BOKEH}/antibiotics.csv",
    f"{BOKEH}/titanic_all.csv",  # people
    f"{BOKEH}/emissions.csv.gz",
    f"{BOKEH}/unemployment1948.csv",
    f"{BOKEH}/us_marriages_divorces.csv",
    f"{BOKEH}/cycling.csv.gz",  # sport, with an index column that has no name
    f"{BOKEH}/penguins.csv",
    f"{BOKEH}/auto-mpg.csv",
    "vega_datasets/_data/la-riots.csv",
    "vega_datasets/_data/us-employment.csv",
)
AS_DATABASES = (
    f"{BOKEH}/SampleSuperstore.csv.gz",
    f"{BOKEH}/stocks.csv.gz",
    "airportsdata/airports.csv",
    "hvsampledata/_data/earthquakes.csv",
    f"{BOKEH}/CGM.csv.gz",
)
LARGE = f"{BOKEH}/population.csv.gz"  # 346,332 rows


def content(name: str) -> bytes:
    """Return a file of a package, decompressed. The package is not imported: what it depends on is not here."""
    package, _, path = name.partition("/")
    spec = find_spec(package)
    assert spec is not None, f"{package} is missing (requirements/datasets.in)"
    (folder,) = spec.submodule_search_locations or ()
    found = (Path(folder) / path).read_bytes()
    return gzip.decompress(found) if name.endswith(".gz") else found


def read_by_python(name: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a CSV file."""
    header, *rows = csv.reader(io.StringIO(content(name).decode("utf-8-sig"), newline=""))
    return header, [row for row in rows if row]


def _exact_integer(text: str) -> int:
    assert str(int(text)) == text, f"{text} is no plain number, but is stored as one"
    return int(text)


def _exact_float(text: str) -> float:
    assert Decimal(repr(float(text))) == Decimal(text), f"{text} is rounded"
    return float(text)


def _in_utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


_READERS: dict[str, Callable[[str], Any]] = {
    "long": _exact_integer,
    "double": _exact_float,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "date": dt.date.fromisoformat,
    "timestamp": dt.datetime.fromisoformat,
    "timestamptz": _in_utc,
    "string": str,
}


def as_type(kind: IcebergType, texts: Sequence[str]) -> list[Any]:
    """Return a column's texts in the type that the lake gave it; a text without characters is null."""
    read = Decimal if isinstance(kind, DecimalType) else _READERS[str(kind)]
    return [None if text == "" else read(text) for text in texts]


def check_csv(exports: Exports, name: str) -> None:
    """Load a CSV file, and compare every value."""
    header, rows = read_by_python(name)
    exports.put("data.csv", content(name))
    exports.replicate()
    table = exports.table("data")
    found = table.scan().to_arrow().sort_by("_row")
    fields = [field for field in table.schema().fields if not field.name.startswith("_")]
    assert exports.quarantine() == []
    assert len(fields) == len(header)
    names = [each.strip() for each in header]
    assert [field.name for field in fields if field.name in names] == [each for each in names if each]
    assert found.num_rows == len(rows)
    for number, field in enumerate(fields):
        expected = as_type(field.field_type, [row[number] for row in rows])
        # Python's csv can't tell "" from nothing: both are null here.
        assert [None if value == "" else value for value in found.column(field.name).to_pylist()] == expected, (
            field.name
        )


@pytest.mark.parametrize("name", WITH_HEADER)
def test_a_public_csv_file_arrives_value_by_value(exports: Exports, name: str) -> None:
    """A row that is swallowed, a number that is rounded, a code that loses its zeros, in files that people publish."""
    check_csv(exports, name)


def test_a_large_public_csv_file_arrives_value_by_value(exports: Exports) -> None:
    """The same where a file is read in many batches."""
    check_csv(exports, LARGE)


def test_a_public_file_without_header_is_told_of(exports: Exports) -> None:
    """The first county of the United States taken for the names of columns."""
    name = f"{BOKEH}/unemployment09.csv.gz"
    exports.put("data.csv", content(name))
    exports.settings = {"streams": {"data": {"header": False}}}
    exports.replicate()
    first, *rest = read_by_python(name)
    texts = [tuple(text or None for text in row) for row in (first, *rest[0])]
    kinds = [field.field_type for field in exports.table("data").schema().fields if not field.name.startswith("_")]
    columns = [as_type(kind, [row[number] or "" for row in texts]) for number, kind in enumerate(kinds)]
    assert exports.values("data") == list(zip(*columns, strict=True))


def test_public_json_arrives_value_by_value(exports: Exports) -> None:
    """A number of JSON that becomes a text, or loses a digit; a null that becomes nothing at all."""
    cars = json.loads(content("vega_datasets/_data/cars.json"))
    exports.put("cars.jsonl", "\n".join(json.dumps(car) for car in cars))
    exports.replicate()
    found = exports.table("cars").scan().to_arrow().sort_by("_row").to_pylist()
    assert len(found) == len(cars) == 406
    for row, car in zip(found, cars, strict=True):
        expected = {name: Decimal(repr(value)) if isinstance(value, float) else value for name, value in car.items()}
        assert {name: row[name] for name in car} == {**expected, "Year": dt.date.fromisoformat(car["Year"])}


_POSTGRES = {
    "long": "bigint",
    "double": "double precision",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "string": "text",
}


def _postgres_type(kind: IcebergType) -> str:
    return f"numeric({kind.precision},{kind.scale})" if isinstance(kind, DecimalType) else _POSTGRES[str(kind)]


@pytest.mark.parametrize("name", AS_DATABASES)
def test_a_public_data_set_in_a_database_arrives_with_the_same_sums(exports: Exports, shop: Shop, name: str) -> None:
    """Another answer of the lake than of the database: every column's count, sum, least and greatest value."""
    check_csv(exports, name)
    _, rows = read_by_python(name)
    fields = [field for field in exports.table("data").schema().fields if not field.name.startswith("_")]
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(_postgres_type(field.field_type)))
        for field in fields
    )
    with shop.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("create table shop.data (line int primary key, {})").format(columns))
        with cursor.copy("copy shop.data from stdin") as copy:
            for line, row in enumerate(rows):
                copy.write_row([line, *(text or None for text in row)])
        cursor.execute("select * from shop.data order by line")
        source = [tuple(_utc(value) for value in row) for row in cursor.fetchall()]
    shop.replicate()
    found = [tuple(_utc(value) for value in row) for row in
             reading.rows(shop.table("data"), "line", *(field.name for field in fields))]  # fmt: skip
    assert found == source


def _utc(value: Any) -> Any:
    return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo is not None else value
