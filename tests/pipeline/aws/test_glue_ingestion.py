"""The real target writes to Glue and S3, with what the `localstack` stack registers: moto serves both APIs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from cli import image_venv
from localstack.console import Console
from localstack.home import Home
from tests.pipeline.aws.emulated import Emulator, in_order
from tests.unit.components.conftest import ROOT, Resource, plain, run_program, stack_config
from tests.unit.components.test_program import containers

PACKAGES = ROOT / "pipeline_code" / "ingestion" / "packages"
READ = """
import json, sys
from pyiceberg.catalog import load_catalog
table = load_catalog("lake").load_table(("raw", sys.argv[1]))
print(json.dumps({
    "types": {field.name: str(field.field_type) for field in table.schema().fields},
    "rows": table.scan().to_arrow().drop_columns("_loaded_at").sort_by("order_id").to_pylist(),
    "files": [task.file.file_path for task in table.scan().plan_files()],
    "metadata": table.metadata_location,
    "position": json.loads(table.properties["headwater.position"]),
    "snapshots": len(table.snapshots()),
}, default=str))
"""
SCHEMA = {
    "order_id": {"type": "integer", "x-sql-datatype": "bigint"},
    "status": {"type": ["string", "null"], "x-sql-datatype": "text"},
    "shipping_fee": {
        "type": ["number", "null"],
        "x-sql-datatype": "numeric",
        "x-sql-datatype-properties": {"precision": 12, "scale": 2},
    },
    "updated_at": {"type": ["string", "null"], "format": "date-time", "x-sql-datatype": "timestamp with time zone"},
}


@dataclass(frozen=True)
class Ingestion:
    """The ingestion container on this machine: its Python, its environment, and the emulator that it reaches."""

    python: Path
    environment: dict[str, str]
    aws: Emulator

    def run(self, *arguments: str, lines: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, *arguments],
            env=self.environment,
            input=lines,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def load(self, stream: str, *orders: dict[str, Any]) -> dict[str, Any]:
        """Load the orders with the target, as another tap would send them; return the state that it lets go of."""
        messages = [
            {"type": "SCHEMA", "stream": stream, "schema": {"properties": SCHEMA}, "key_properties": ["order_id"]},
            *({"type": "RECORD", "stream": stream, "record": order} for order in orders),
            {"type": "STATE", "value": {"bookmarks": {stream: bookmark(orders[-1])}}},
        ]
        done = self.run("-m", "target_iceberg.main", lines="".join(json.dumps(each) + "\n" for each in messages))
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def read(self, stream: str) -> dict[str, Any]:
        """Return what pyiceberg sees of the table through Glue."""
        done = self.run("-c", READ, stream)
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(json.loads(done.stdout))


def bookmark(order: dict[str, Any]) -> dict[str, str]:
    return {"replication_key": "updated_at", "replication_key_value": order["updated_at"]}


def order(number: int, status: str = "paid") -> dict[str, Any]:
    return {"order_id": number, "status": status, "shipping_fee": 4.9, "updated_at": f"2026-01-31T10:00:{number:02}Z"}


def localstack_program() -> tuple[list[Resource], str]:
    """Return the stack's resources and the endpoint that its settings name."""
    config = stack_config("localstack")
    images = json.loads(config["headwater:images"])
    config["headwater:images"] = json.dumps({**images, "builder": "buildah"})
    resources, _ = run_program(config, "localstack")
    return resources, json.loads(config["headwater:aws"])["endpoint"]


def container_environment(resources: list[Resource]) -> dict[str, str]:
    """Return the variables of the ingestion container, those from its Secret filled in."""
    secrets = {each.known_as: plain(each.inputs)["stringData"] for each in resources if each.kind == "Secret"}
    found = {}
    for variable in dict(containers(resources))["CronJob/ingestion/ingestion"]["env"]:
        value = variable.get("value")
        if value is None:
            key = variable["valueFrom"]["secretKeyRef"]
            value = secrets[key["name"]][key["key"]]
        found[variable["name"]] = value
    return found


@pytest.fixture(scope="module")
def ingestion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingestion]:
    """The stack's AWS resources on a moto of their own, and its ingestion container in front of it."""
    home = Home.default()
    python = image_venv.ensure(home, "ingestion", Console("test-glue", tmp_path_factory.mktemp("logs")), ROOT)
    resources, registered = localstack_program()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        aws = Emulator("us-east-1", endpoint)
        for resource in in_order(resources):
            if resource.type.startswith("aws:"):
                aws.apply(resource)
        given = {name: value.replace(registered, endpoint) for name, value in container_environment(resources).items()}
        assert endpoint in given.values()
        # Nothing of this process's environment: credentials or a region in it would hide what the container lacks.
        packages = os.pathsep.join(
            str(PACKAGES / name) for name in ("target-iceberg", "headwater-contracts", "headwater-singer")
        )
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"}
        own["HOME"] = str(tmp_path_factory.mktemp("home"))
        yield Ingestion(python, own | given, aws)
    finally:
        server.stop()


def test_rows_arrive_in_glue_with_their_types(ingestion: Ingestion) -> None:
    """A variable that pyiceberg's Glue catalog does not know, or a dependency the image lacks: no run would ever load.

    A money column as double, or a time without its zone, would be wrong in every mart.
    """
    ingestion.load("orders", order(1), order(2, "shipped"))
    table = ingestion.read("orders")
    assert table["types"] == {
        "order_id": "long", "status": "string", "shipping_fee": "decimal(12, 2)", "updated_at": "timestamptz",
        "_loaded_at": "timestamptz",
    }  # fmt: skip
    assert [(row["order_id"], row["status"], row["shipping_fee"]) for row in table["rows"]] == [
        (1, "paid", "4.90"),
        (2, "shipped", "4.90"),
    ]


def test_everything_lies_below_what_the_role_may_write(ingestion: Ingestion) -> None:
    """A table elsewhere than below `raw`: on AWS the role of ingestion refuses it, or nobody's backup covers it."""
    ingestion.load("located", order(1))
    table = ingestion.read("located")
    database = ingestion.aws.client("glue").get_database(Name="raw")["Database"]
    for path in (table["metadata"], *table["files"]):
        assert path.startswith(f"{database['LocationUri']}/"), f"{path} is not below {database['LocationUri']}"
    bucket, _, prefix = database["LocationUri"].removeprefix("s3://").partition("/")
    keys = [each["Key"] for each in ingestion.aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert [key for key in keys if not key.startswith(f"{prefix}/")] == []


def test_a_second_load_is_added_and_moves_the_position(ingestion: Ingestion) -> None:
    """A commit that Glue takes as a new table, or a position that it loses: rows would vanish or come twice."""
    first = ingestion.load("growing", order(1))
    assert first == {"bookmarks": {"growing": bookmark(order(1))}}
    ingestion.load("growing", order(2), order(3))
    table = ingestion.read("growing")
    assert [row["order_id"] for row in table["rows"]] == [1, 2, 3]
    assert table["snapshots"] == 2
    position = table["position"]
    assert (position["headwater.stream"], position["headwater.load"]) == ("growing", "2")
    assert json.loads(position["headwater.bookmark"]) == bookmark(order(3))


def test_trino_is_told_where_ingestion_writes() -> None:
    """Another region, account, endpoint or warehouse in Trino's catalog file: it would see an empty lake."""
    resources, registered = localstack_program()
    (config,) = [each for each in resources if each.name == "trino-config"]
    lines = plain(config.inputs)["data"]["catalog.lake.properties"].splitlines()
    trino = dict(line.split("=", 1) for line in lines)
    lake = {name: "PYICEBERG_CATALOG__LAKE__" + name for name in
            ("WAREHOUSE", "GLUE__REGION", "GLUE__ID", "GLUE__ENDPOINT", "S3__REGION", "S3__ENDPOINT")}  # fmt: skip
    theirs = {name: container_environment(resources)[variable] for name, variable in lake.items()}
    assert registered == theirs["GLUE__ENDPOINT"]
    assert theirs == {
        "WAREHOUSE": trino["hive.metastore.glue.default-warehouse-dir"],
        "GLUE__REGION": trino["hive.metastore.glue.region"],
        "GLUE__ID": trino["hive.metastore.glue.catalogid"],
        "GLUE__ENDPOINT": trino["hive.metastore.glue.endpoint-url"],
        "S3__REGION": trino["s3.region"],
        "S3__ENDPOINT": trino["s3.endpoint"],
    }
