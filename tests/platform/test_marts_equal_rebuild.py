"""After random changes of the sources the marts are what a rebuild would make of `raw`, and `raw` what the source has.

`make soak only=marts runs=20 seed=7` does it at length, one run a seed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import image_venv
from localstack.console import Console
from localstack.home import Home

from .changing_sources import HARD, KEYS, Sources, Stream
from .conftest import ROOT
from .dbt_project import LAYERS, DbtProject, chunks, contents, differences, drop_schemas
from .endpoints import Endpoints
from .test_data import rows

SEED, RUNS = int(os.environ.get("HEADWATER_SOAK_SEED", "1")), int(os.environ.get("HEADWATER_SOAK_RUNS", "1"))
CHANGES = (80, 60)
"""Changes of the sources before each load; after each one dbt runs."""
RAW = "dev_property_raw"
# Payments are as random as orders: whether the two agree is no question here.
UNRELATED = (
    "payments_reconcile_with_orders_to_the_cent",
    "only_charges_bring_money_in",
    "movements_add_up_in_one_currency",
)


@pytest.fixture(scope="module")
def python(home: Home) -> Path:
    """Python of the environment that dbt and Dagster have in their image."""
    return image_venv.ensure(home, "orchestration", Console("venv", home.logs, stream=io.StringIO(), plain=True), ROOT)


@pytest.fixture
def project(
    python: Path, endpoints: Endpoints, developer_login: dict[str, str], trino: Any, tmp_path: Path
) -> Iterator[Callable[[str], DbtProject]]:
    """`project(name)`: dbt as developer `property_<name>` reads RAW; nothing of it is left afterwards."""
    drop_schemas(trino, "dev_property_")
    rows(trino, f"create schema {RAW}")
    yield lambda name: DbtProject(python, endpoints, f"property_{name}", RAW, tmp_path / name, developer_login)
    drop_schemas(trino, "dev_property_")


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_tables_hold_what_a_rebuild_would_make(project: Callable[[str], DbtProject], trino: Any, seed: int) -> None:
    """A change, a deletion or a clock that was set back which one of the incremental tables does not see."""
    production = {schema: snapshots(trino, schema) for schema in LAYERS}
    sources, kept, rebuilt = Sources(seed), project("kept"), project("rebuilt")
    for changes in CHANGES:
        sources.load(changes)
        chunks(sources.statements(RAW), trino)
        kept.build("run")
    kept.build("test", "--exclude", "test_type:unit", *UNRELATED)
    rebuilt.build("run", "--full-refresh")
    compared = 0
    for layer in ("intermediate", "marts"):
        for table, columns in contents(trino, rebuilt.schema(layer)).items():
            one, other = (f"{each.schema(layer)}.{table}" for each in (kept, rebuilt))
            assert differences(trino, one, other, columns) == [], f"seed {seed}: {table}"
            compared += 1
    assert compared >= 16
    for name in ("orders", "order_items"):
        assert held(trino, kept, sources.streams[name]) == sources.streams[name].live.keys(), f"seed {seed}: {name}"
    history(trino, kept, sources.streams["customers"])
    assert {schema: snapshots(trino, schema) for schema in LAYERS} == production


def test_production_is_not_built_by_hand(project: Callable[[str], DbtProject], trino: Any) -> None:
    """A developer who asks for the target by its name, and replaces what the dashboards show."""
    production = {schema: snapshots(trino, schema) for schema in LAYERS}
    done = project("hand").run("run", "--target", "production_login", "--select", "fct_orders")
    assert done.returncode != 0
    assert "target production_login is built by runs of Dagster alone" in done.stdout
    assert {schema: snapshots(trino, schema) for schema in LAYERS} == production


def held(trino: Any, project: DbtProject, stream: Stream) -> set[int]:
    """Return the keys of a stream that the facts have."""
    table = {"orders": "marts.fct_orders", "order_items": "intermediate.int_order_items__priced"}[stream.name]
    layer, name = table.split(".")
    return {key for (key,) in rows(trino, f"select {stream.key} from {project.schema(layer)}.{name}")}


def history(trino: Any, project: DbtProject, customers: Stream) -> None:
    """Assert that the customers of now are current, in their newest version, and that all others are past."""
    table = f"{project.schema('marts')}.dim_customers"
    found = rows(trino, f"select customer_id, city, is_current, deleted_at from {table}")
    current = {key: city for key, city, is_current, _ in found if is_current}
    assert current == {key: row["city"].strip().title() for key, row in customers.live.items()}
    deleted = {key for key, _, _, deleted_at in found if deleted_at is not None}
    gone = {row["customer_id"] for row in customers.raw} - customers.live.keys()
    assert gone <= deleted or customers.write == HARD
    assert KEYS["customers"] == customers.key


def snapshots(trino: Any, schema: str) -> dict[str, int]:
    """Return how often each table of a schema was committed."""
    return {
        table: int(rows(trino, f'select count(*) from {schema}."{table}$snapshots"')[0][0])
        for table in contents(trino, schema)
    }
