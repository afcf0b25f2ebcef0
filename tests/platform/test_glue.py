"""The stack `localstack` in the running cluster: its own manifests, in namespaces of their own, on moto's Glue and S3.

Only Superset and Dagster's servers are left out; what Dagster would start, these tests start.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import trino as trino_client
import yaml
from moto.server import ThreadedMotoServer

from cli.platform.endpoints import Endpoint
from cli.platform.forward import port_forward
from cli.platform.kube import Kube
from components.lake import BUILT, LAYERS
from localstack.cluster.layout import NODE_ADDRESS
from localstack.home import Home
from tests.pipeline.aws.emulated import Emulator, in_order
from tests.unit.components.conftest import ROOT, Resource, run_program, stack_config

from .applied import Applied, as_cronjob, manifest, running_images
from .test_data import rows

INGESTION = ROOT / "pipeline_code" / "ingestion"
PLATFORM, COMPANY = "glue-platform", "glue-petco"
ORDERS = 2000
# What people look at, and what would start the runs that these tests start.
LEFT_OUT = re.compile(r"superset-|dagster-(code|daemon|webserver)-")
# Far above what is needed, for machines that do other work too.
READY_S, RUN_S = 600, 600
# As in a run pod of Dagster, which alone builds production.
DBT = (
    "cd /opt/transformation && export HEADWATER_PRODUCTION=1 DBT_TARGET_PATH=/tmp/target DBT_LOG_PATH=/tmp/logs"
    ' && exec dbt "$@"'
)


def program(endpoint: str) -> list[Resource]:
    """Return the stack's resources with the emulator at the endpoint, in small and beside the dev stack."""
    config = stack_config("localstack")
    changed: dict[str, dict[str, Any]] = {
        "aws": {"endpoint": endpoint},
        "images": {"builder": "buildah"},
        "kubernetes": {"namespace": PLATFORM, "exposure": {"kind": "cluster_ip"}},
        "example": {"namespace": COMPANY, "scale": ORDERS / 1_000_000},
        # Its logins are those of dev, which the other tests use.
        "trino": {"memory": "2Gi", "authentication": "none"},
    }
    for name, values in changed.items():
        known = json.loads(config.get(f"headwater:{name}", "{}"))
        config[f"headwater:{name}"] = json.dumps({**known, **values})
    return run_program(config, "localstack")[0]


def taps() -> list[str]:
    """Return the extractors of meltano.yml that Dagster runs: one for each source with contracts."""
    sources = sorted(INGESTION.glob("contracts/*/_source.yml"))
    return [yaml.safe_load(file.read_text())["tap"] for file in sources]


@dataclass(frozen=True)
class Lake:
    """The stack as it runs: the emulator, the cluster's part of it, and its Trino."""

    aws: Emulator
    cluster: Applied
    ingestion: Mapping[str, Any]
    dbt: Mapping[str, Any]
    shop: Mapping[str, Any]
    trino: Any

    def ingest(self, run: str) -> dict[str, int]:
        """Load every source as a run of Dagster does, one Job a source; return the rows loaded by table."""
        logs = [
            self.cluster.run(self.ingestion, f"ingest-{run}-{tap}", ["headwater-ingest", "--tap", tap], RUN_S)
            for tap in taps()
        ]
        found = re.findall(r"^(raw\.\w+): (\d+) rows in ", "\n".join(logs), re.M)
        return {table: int(count) for table, count in found}

    def build(self, run: str, *words: str) -> str:
        """Build and test the whole dbt project; return its log."""
        command = ["bash", "-c", DBT, "dbt", "--no-use-colors", "build", *words]
        return self.cluster.run(self.dbt, f"dbt-{run}", command, RUN_S)

    def tables(self, database: str) -> dict[str, dict[str, Any]]:
        """Return what Glue knows of the tables and views of a database, by name."""
        pages = self.aws.client("glue").get_paginator("get_tables").paginate(DatabaseName=database)
        return {table["Name"]: table for page in pages for table in page["TableList"]}

    def count(self, source: str) -> int:
        return int(rows(self.trino, f"select count(*) from {source}")[0][0])


@pytest.fixture(scope="module")
def lake(home: Home) -> Iterator[Lake]:
    """The stack with the shop's rows loaded and the dbt project built once; nothing of it is left afterwards."""
    kube = Kube.of(home, "dev")
    if kube.platform.context is not None:
        pytest.skip(f"the emulator listens on {NODE_ADDRESS}, which a cluster elsewhere does not reach")
    kube.require()
    # A line a request.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address=NODE_ADDRESS, port=0, verbose=False)
    server.start()
    cluster = Applied(kube, (PLATFORM, COMPANY))
    try:
        host, port = server.get_host_and_port()
        aws = Emulator("us-east-1", f"http://{host}:{port}")
        resources = program(f"http://{host}:{port}")
        for each in in_order(resources):
            if each.type.startswith("aws:"):
                aws.apply(each)
        images = running_images(kube)
        # What a run that was killed left behind.
        cluster.remove()
        chosen = [each for each in resources if each.type.startswith("kubernetes:") and not LEFT_OUT.search(each.name)]
        cluster.make(chosen, images, READY_S)
        named = {each.name: manifest(each, images) for each in resources if each.type.startswith("kubernetes:")}
        trino = Endpoint("trino", PLATFORM, "http", "http")
        with port_forward(kube, trino) as local:
            connection = trino_client.dbapi.Connection(
                host="127.0.0.1", port=local, user="tests", catalog="lake", request_timeout=120
            )
            yield Lake(
                aws,
                cluster,
                named["ingestion-cronjob"],
                as_cronjob(named["dagster-code-deployment"]),
                named["shop-live-cronjob"],
                connection,
            )
    finally:
        cluster.remove()
        server.stop()


@pytest.fixture(scope="module")
def loaded(lake: Lake) -> dict[str, int]:
    """The rows that the first run of ingestion says it loaded, by table."""
    return lake.ingest("first")


@pytest.fixture(scope="module")
def built(lake: Lake, loaded: dict[str, int]) -> str:
    """The log of the first build of the whole dbt project, as Dagster asks for it: unit tests need what it builds."""
    return lake.build("first", "--exclude-resource-type", "unit_test")


def test_trino_reads_what_ingestion_wrote_into_glue(lake: Lake, loaded: dict[str, int]) -> None:
    """An endpoint, region, key or path style that Trino's connector does not know; a type that it reads otherwise."""
    assert loaded["raw.orders"] == ORDERS
    assert {table: lake.count(table) for table in loaded} == loaded
    types = dict(rows(lake.trino, "select column_name, data_type from information_schema.columns where "
                                  "table_schema = 'raw' and table_name = 'order_items'"))  # fmt: skip
    assert (types["unit_price"], types["updated_at"]) == ("decimal(12,2)", "timestamp(6) with time zone")


def test_dbt_builds_the_whole_project_on_glue(lake: Lake, built: str) -> None:
    """A statement that Trino does on a REST catalog and not on Glue: create or replace, a view, a snapshot's merge."""
    assert re.search(r"Done\. PASS=\d+ WARN=0 ERROR=0 SKIP=0", built), built[-3000:]
    project = ROOT / "pipeline_code" / "transformation" / "models"
    models = {(path.relative_to(project).parts[0], path.stem) for path in project.rglob("*.sql")}
    assert models <= {(layer, name) for layer in BUILT for name in lake.tables(layer)}
    assert lake.count("marts.fct_orders") == ORDERS
    revenue = rows(lake.trino, "select (select sum(net_revenue) from marts.daily_sales), "
                               "(select sum(net_revenue) from marts.fct_orders)")  # fmt: skip
    assert revenue[0][0] == revenue[0][1] > 0


def test_every_table_lies_where_the_roles_may_write(lake: Lake, built: str) -> None:
    """A table elsewhere than below its layer's location: on AWS, Trino's role is refused there."""
    places = {each["Name"]: each["LocationUri"] for each in lake.aws.client("glue").get_databases()["DatabaseList"]}
    assert places.keys() == set(LAYERS)
    for layer, place in places.items():
        kept = [table["Parameters"]["metadata_location"] for table in lake.tables(layer).values()
                if "metadata_location" in table["Parameters"]]  # fmt: skip
        # Views have none, and staging holds nothing else; the project has no snapshots.
        assert kept or layer in {"staging", "snapshots"}
        assert [path for path in kept if not path.startswith(f"{place}/")] == []


def test_changed_orders_are_merged_into_the_marts(lake: Lake, built: str) -> None:
    """A MERGE that Glue refuses, or a load that does not find its position again in Glue."""
    change = ["python", "-m", "petco", "change", "--new", "40", "--changed", "60", "--seed", "1"]
    lake.cluster.run(lake.shop, "shop-change", change, RUN_S)
    loaded = lake.ingest("second")
    assert 100 <= loaded["raw.orders"] < ORDERS / 2
    # What merges, with the unit tests of that; views show the new rows by themselves.
    lake.build("second", "--indirect-selection", "cautious", "--select", "config.materialized:incremental")
    assert lake.count("marts.fct_orders") == ORDERS + 40
    assert lake.count('marts."fct_orders$snapshots"') > 1


def test_a_table_is_compacted_and_its_history_expires(lake: Lake, built: str) -> None:
    """Maintenance that Glue's commit does not take, or that leaves readers without their files."""
    table = "marts.fct_orders"
    for day in (1, 2):
        rows(lake.trino, f"update {table} set units = units where day(order_date) = {day}")
    before = {kind: lake.count(f'marts."fct_orders${kind}"') for kind in ("files", "snapshots")}
    total = rows(lake.trino, f"select count(*), sum(net_revenue) from {table}")
    rows(lake.trino, f"alter table {table} execute optimize")
    rows(lake.trino, "set session lake.expire_snapshots_min_retention = '0s'")
    rows(lake.trino, f"alter table {table} execute expire_snapshots(retention_threshold => '0s')")
    after = {kind: lake.count(f'marts."fct_orders${kind}"') for kind in ("files", "snapshots")}
    assert after["files"] < before["files"]
    assert (after["snapshots"], before["snapshots"] > 2) == (1, True)
    assert rows(lake.trino, f"select count(*), sum(net_revenue) from {table}") == total
