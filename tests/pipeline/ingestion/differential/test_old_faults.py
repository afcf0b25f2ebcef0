"""The differential tests find old faults: each is put in again, and a random table has to show it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pyiceberg.io.pyarrow import data_file_statistics_from_parquet_metadata

from differential.harness import Case, Difference, World
from differential.test_differential import SEED, cases
from differential.ways import WAYS

pytestmark = pytest.mark.usefixtures("quiet")
MOST = 300
"""Random cases in which a fault has to be found."""


def found(world: World, way: str, kinds: Sequence[str]) -> str:
    """Return what the first failure says; fails without one."""
    (chosen,) = (each for each in WAYS if each.name == way)

    @seed(SEED)
    @settings(max_examples=MOST, deadline=None, database=None, suppress_health_check=list(HealthCheck),
              phases=[Phase.generate], report_multiple_bugs=False)  # fmt: skip
    @given(cases(chosen, [each for each in chosen.kinds if each.name in kinds], ["utf8"]))
    def check(case: Case) -> None:
        world.check(chosen, case)

    with pytest.raises(Difference) as caught:
        check()
    return str(caught.value)


def test_bounds_that_ignore_a_row_group_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group whose statistics lack min and max for its NaN: the bounds of the others hide its rows."""

    def old(metadata: Any, plan: Any, ids: Any, *_: Any) -> dict[str, Any]:
        return data_file_statistics_from_parquet_metadata(metadata, plan, ids).to_serialized_dict()

    for module in ("datafile", "passage"):
        monkeypatch.setattr(f"target_iceberg.files.{module}.statistics_of", old)
    said = found(world, "pipe", ["double", "real"])
    assert "question" in said, said


def test_nested_numbers_that_become_texts_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What json.dumps(default=str) makes of a Decimal."""
    monkeypatch.setattr("target_iceberg.rows.values.json_text", lambda value: json.dumps(value, default=str))
    said = found(world, "foreign-records", ["integer", "jsonb"])
    assert "all rows" in said, said


def test_long_values_that_become_null_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that an update left alone, which the log therefore does not repeat."""
    monkeypatch.setattr("tap_postgres_arrow.unsent.Unsent.fill", lambda *_: None)
    said = found(world, "log", ["integer", "text", "bytea"])
    assert "all rows" in said, said
