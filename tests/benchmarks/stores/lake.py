"""The private servers that the stores run on, and how the same orders get into both."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from localstack.console import Console, Step
from localstack.errors import LocalError
from tests import lake, trino_server
from tests.benchmarks.ingestion import PACKAGES, ROOT, install
from tests.benchmarks.postgres import PASSWORD, Server, server
from tests.benchmarks.stores import questions
from tests.benchmarks.stores.measuring import reading
from tests.benchmarks.stores.readers import DuckDbReader, Reader, Rows, TrinoReader

NEEDED_GB_PER_SCALE = 1.5
NEEDED_GB = 3
"""Of the disk: both stores, PostgreSQL's log of writes, and the unpacked images."""
DATABASE = "bench"
WARM_UP_S = 60.0


@dataclass(frozen=True)
class Pythons:
    """Pythons of the environments that the parts need."""

    ingestion: Path
    sources: Path
    engines: Path


def pythons(console: Console, ingestion: Path, sources: Path, cache: Path) -> Pythons:
    """Return the environments; that of DuckDB is made at first use."""
    with console.step("Python environment of DuckDB", estimate_s=60):
        cache.mkdir(parents=True, exist_ok=True)
        return Pythons(ingestion, sources, install(cache, ("engines",))["engines"])


def check_machine(console: Console, cache: Path, folder: Path, scale: float) -> None:
    """Raise LocalError with the way out where something is missing, before anything is made."""
    if shutil.which("java") is None:
        raise LocalError("java is missing: apt-get install openjdk-17-jre-headless")
    if os.geteuid() != 0:
        raise LocalError("this needs root: Trino runs on the system of its image, in mounts of its own")
    needed, free = NEEDED_GB + scale * NEEDED_GB_PER_SCALE, shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise LocalError(f"{folder} has {free:.1f} GB free, {needed:.1f} GB are needed; TMPDIR=… names another folder")
    cache.mkdir(parents=True, exist_ok=True)
    with console.step("Unpack the images of MinIO, catalog and Trino", estimate_s=30):
        for image, folders in (("minio", lake.PROGRAMS), ("catalog", lake.PROGRAMS), ("trino", ("",))):
            if lake.unpack(image, cache, folders) is None:
                raise LocalError(f"there is no image of {image} on this machine; make up builds it")


@contextmanager
def readers(
    console: Console, used: Pythons, folder: Path, cache: Path, scale: float
) -> Iterator[tuple[int, list[Reader]]]:
    """Yield how many orders there are, and the readers of the same orders: PostgreSQL, Trino, DuckDB.

    All servers are private and end with the block; the data is below `folder`, and in PostgreSQL's own folder.
    """
    with ExitStack() as stack:
        with console.step("Start PostgreSQL, MinIO and the catalog", estimate_s=10):
            source = stack.enter_context(server(durable=True))
            of_catalog = stack.enter_context(server(durable=True, buffers="128MB"))
            database = lake.Database(of_catalog.host, of_catalog.port, "postgres", "postgres", PASSWORD)
            prepared = lake.prepare(folder, cache, database, lake.Access())
            if prepared is None:
                raise LocalError("there are no images of MinIO and the catalog on this machine; make up builds them")
            stack.enter_context(lake.running(prepared))
        rows = fill(console, used, source, scale)
        to_lake(console, used, source, folder, prepared)
        with console.step("Start Trino and DuckDB", estimate_s=30):
            service, port = stack.enter_context(trino_server.started(folder, cache, prepared.access))
            assert service.process is not None
            parts = (prepared, folder, of_catalog)
            trino = TrinoReader(*parts, process=service.process.pid, port=port)
            duck = DuckDbReader(*parts, python=used.engines)
            stack.callback(duck.close)
        found: list[Reader] = [Rows(source, DATABASE), trino, duck]
        same(console, found, rows)
        with console.step("Warm up Trino: its JVM compiles what runs often", estimate_s=WARM_UP_S) as step:
            warm_up(step, trino, rows)
        yield rows, found


def warm_up(step: Step, reader: Reader, rows: int) -> None:
    """Ask the questions in turn, as a server that has been running for some time was asked."""
    started, number = time.monotonic(), 0
    while time.monotonic() - started < WARM_UP_S:
        for question in reading(rows):
            reader.ask(question.sql(reader.table("orders"), number))
        number += 1
        step.update(f"{number} rounds")


def fill(console: Console, used: Pythons, source: Server, scale: float) -> int:
    """Make the shop's orders and the smaller tables in PostgreSQL; return how many orders there are."""
    with psycopg.connect(source.uri("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {DATABASE}".encode())
    environment = {
        **os.environ, "SHOP_HOST": source.host, "SHOP_PORT": str(source.port), "SHOP_DATABASE": DATABASE,
        "SHOP_USER": "postgres", "SHOP_PASSWORD": PASSWORD,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "pipeline_code" / "sources")]),
    }  # fmt: skip
    with console.step(f"Make the shop's orders at scale {scale:g}", estimate_s=10 + 20 * scale) as step:
        step.run([used.sources, "-m", "tests.benchmarks.stores.orders", f"{scale}"], env=environment, cwd=ROOT)
    with psycopg.connect(source.uri(DATABASE), autocommit=True) as connection:
        ((rows,),) = connection.execute("select count(*) from shop.orders").fetchall()
        with console.step("Make the smaller tables, and vacuum", estimate_s=5 + 5 * scale) as step:
            for size in questions.sizes(rows)[:-1]:
                step.update(f"{size:,} of {rows:,} orders")
                table = f"shop.{questions.name(size, rows)}"
                connection.execute(f"create table {table} (like shop.orders including all)".encode())
                # Evenly spread over the two years: exactly `size` of the numbers 1 to `rows`.
                even = f"order_id * {size} % {rows} < {size}"
                connection.execute(f"insert into {table} select * from shop.orders where {even}".encode())
            for size in questions.sizes(rows):
                # Without them PostgreSQL expects a group for each order, and sorts on the disk.
                table = f"shop.{questions.name(size, rows)}"
                month = "(date_trunc('month', ordered_at))"
                connection.execute(f"create statistics {table}_month on {month} from {table}".encode())
            connection.execute("vacuum (analyze, freeze)")
            connection.execute("checkpoint")
    return int(rows)


def to_lake(console: Console, used: Pythons, source: Server, folder: Path, prepared: lake.Lake) -> None:
    """Load all tables into Iceberg as the platform does: Headwater's tap and target."""
    tap = {
        "host": source.host, "port": source.port, "database": DATABASE, "user": "postgres", "password": PASSWORD,
        "schema": "shop",
        "batch_config": {"encoding": {"format": "pipe"}, "storage": {"root": (folder / "pipes").as_uri()}},
    }  # fmt: skip
    for name, content in (("tap", tap), ("target", {"namespace": "stores"})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    command = (
        f"set -o pipefail; {used.ingestion} -m tap_postgres_arrow.main --config {folder}/tap.json"
        f" | {used.ingestion} -m target_iceberg.main --config {folder}/target.json > {folder}/states"
    )
    environment = {**os.environ, **prepared.access.environment(), "PYTHONPATH": PACKAGES}
    with console.step("Load the orders into Iceberg with Headwater's tap and target", estimate_s=20) as step:
        step.run(["bash", "-c", command], env=environment, on_line=short)


def short(line: str) -> str:
    """Return the part of a log line that fits the screen."""
    return line[:100]


def same(console: Console, found: list[Reader], rows: int) -> None:
    """Raise LocalError unless every reader sees the same rows, and answers the aggregate alike."""
    with console.step("Compare the rows of all stores", estimate_s=10):
        for sql in (questions.SAME, questions.AGGREGATE):
            answers = {each.name: each.ask(sql.format(table=each.table("orders")))[1] for each in found}
            if len(set(map(tuple, answers.values()))) != 1:
                raise LocalError(f"the stores hold different rows ({rows:,} were made): {answers}")
