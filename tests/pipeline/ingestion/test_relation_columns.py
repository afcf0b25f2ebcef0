"""Names and types of a source that mean something else in the lake: loaded as they are, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Shop
from test_session import PATHS, load

WAYS = [pytest.param("pipe", id="bulk"), pytest.param(None, id="records")]


@pytest.mark.parametrize("layout", PATHS)
def test_columns_that_differ_by_case_only_are_loaded_each(shop: Shop, layout: str | None) -> None:
    """The engine folds names, so that one such table stopped the whole source."""
    shop.execute(
        'create table shop.cased (id int primary key, "ID" text, "Id" numeric(5,2), "_1" text)',
        "insert into shop.cased values (1, 'a', 2.5, 'x'), (2, null, 'NaN', 'y')",
    )
    load(shop, layout)
    assert shop.count("orders") == 1000
    (row,) = shop.rows("cased", "id")
    assert (row["id"], row["ID_2"], float(row["Id_3"]), row["_1"]) == (1, "a", 2.5, "x")
    assert json.loads(shop.quarantine()[0]["row"])["Id"] == "NaN"


@pytest.mark.parametrize("layout", PATHS)
def test_type_of_the_sources_own_is_not_taken_for_postgresqls(new_shop: Callable[[], Shop], layout: str | None) -> None:
    """A type's name is its own schema's: an enum called `date` is read as text, not as a date."""
    shop = new_shop()
    shop.execute(
        "create type shop.date as enum ('soon', 'late')",
        'create table shop.plans (id int primary key, due shop.date, "at" pg_catalog.date)',
        "insert into shop.plans values (1, 'soon', '2026-01-02')",
    )
    load(shop, layout)
    (row,) = shop.rows("plans", "id")
    assert (row["due"], str(row["at"])) == ("soon", "2026-01-02")


@pytest.mark.parametrize("layout", WAYS)
def test_columns_that_another_loader_added_are_loaded(shop: Shop, layout: str | None) -> None:
    """The Singer SDK takes what begins with `_sdc_` for its own: a database that Meltano filled lost these columns."""
    shop.execute(
        "create table shop.loaded (id int primary key, _sdc_batched_at timestamptz, _sdc_sequence bigint,"
        " _sdc_table_version bigint, _sdc_deleted_at timestamptz)",
        "insert into shop.loaded values (1, '2026-01-01 00:00+00', 5, 7, null)",
    )
    shop.replicate(**({} if layout else {"batch_config": None}))
    (row,) = shop.rows("loaded", "id")
    assert [row[f"_sdc_{name}"] for name in ("sequence", "table_version", "deleted_at")] == [5, 7, None]
    assert str(row["_sdc_batched_at"]) == "2026-01-01 00:00:00+00:00"


@pytest.mark.parametrize("layout", WAYS)
def test_a_table_that_would_be_one_with_another_is_left_out_and_told(
    shop: Shop, layout: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody makes a table `Or-ders` beside `or_ders`, and nothing of the source is loaded any more."""
    settings = {} if layout else {"batch_config": None}
    shop.execute("create table shop.or_ders (id int primary key)", "insert into shop.or_ders values (1)")
    shop.replicate(**settings)
    shop.execute(
        'create table shop."Or-ders" (id int primary key)',
        'insert into shop."Or-ders" values (2)',
        "insert into shop.or_ders values (3)",
    )
    shop.replicate(**settings)
    assert sorted({row["id"] for row in shop.rows("or_ders", "id")}) == [1, 3]
    said = "shop.Or-ders is left out: in the lake it would be the table that shop.or_ders is"
    assert f"{said}. Rename one of them in the source, or deselect one: - '!Or-ders.*' below `select`" in caplog.text
    if layout:
        assert shop.findings() == {("noted", ""): "warn"}


@pytest.mark.parametrize("layout", WAYS)
def test_a_deletion_mark_of_the_sources_own_removes_no_row(shop: Shop, layout: str | None) -> None:
    """A database that another loader filled: what was deleted there is removed here, and nobody has asked for it."""
    shop.execute(
        "create table shop.loaded (id int primary key, _sdc_deleted_at timestamptz)",
        "insert into shop.loaded values (1, now()), (2, null)",
    )
    shop.contract("key: [id]\nwrite: merge\ndeletes: hard\n", "loaded")
    settings = {} if layout else {"batch_config": None}
    with pytest.raises(RuntimeError, match=r"stream loaded: the source has a column _sdc_deleted_at of its own, and a"):
        shop.replicate(**settings)
    shop.contract("write: append\n", "loaded")
    shop.replicate(**settings)
    assert [row["id"] for row in shop.rows("loaded", "id")] == [1, 2]


def test_a_deletion_mark_that_is_no_time_is_refused(shop: Shop) -> None:
    """`false` in it is a value, too: each row that another tap sends is taken for one that is gone."""
    shop.contract("key: [id]\nwrite: merge\ndeletes: hard\n", "pets")
    properties = {"id": {"type": "integer"}, "_sdc_deleted_at": {"type": ["boolean", "null"]}}
    with pytest.raises(RuntimeError, match="stream pets: column _sdc_deleted_at is boolean and no time, and a merge"):
        shop.load(
            [
                {"type": "SCHEMA", "stream": "pets", "key_properties": ["id"], "schema": {"properties": properties}},
                {"type": "RECORD", "stream": "pets", "record": {"id": 1, "_sdc_deleted_at": False}},
                {"type": "STATE", "value": {"bookmarks": {"pets": {"at": 1}}}},
            ]
        )


def test_columns_that_no_table_can_have_refuse_their_stream_alone(shop: Shop) -> None:
    """One stream of another tap with a column of the lake's own ended the whole run, and named no stream."""
    messages: list[dict[str, Any]] = []
    for stream, column in (("pets", "_loaded_at"), ("good", "name")):
        schema = {"properties": {"id": {"type": "integer"}, column: {"type": ["string", "null"]}}}
        messages.append({"type": "SCHEMA", "stream": stream, "key_properties": ["id"], "schema": schema})
        messages.append({"type": "RECORD", "stream": stream, "record": {"id": 1}})
    state = {"bookmarks": {"pets": {"at": 1}, "good": {"at": 1}}}
    with pytest.raises(RuntimeError, match="stream pets: column _loaded_at is the target's own; rename or deselect it"):
        shop.load([*messages, {"type": "STATE", "value": state}], publish="each")
    assert shop.count("good") == 1
