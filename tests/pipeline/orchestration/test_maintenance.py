import re

import dagster as dg
import pytest
import trino

from .test_ingestion import IngestionCluster, done
from .test_jobs import pod


def conflict(name="ICEBERG_COMMIT_ERROR"):
    return trino.exceptions.TrinoQueryError(
        {"errorName": name, "errorType": "EXTERNAL", "message": "a load was faster"}
    )


NEEDY = [9, 4, 50, 3, 2, True]


class Tables:
    """Trino as the jobs see it: two tables in each schema that is asked for, and errors to come for statements that
    contain a text. held: small files, delete files, manifests, snapshots, old ones, and whether it was written.
    """

    def __init__(self, *, names=("orders", 'odd"name'), errors=(), held=NEEDY):
        self.names, self.errors, self.held, self.said, self.schemas = names, list(errors), held, [], []

    def query(self, statement):
        if "information_schema" in statement:
            self.schemas = re.findall(r"'(\w+)'", statement.partition("table_schema in (")[2].partition(")")[0])
            return [[self.schemas[0], name] for name in self.names]
        if statement.startswith("select"):
            return [self.held]
        self.said.append(statement)
        for text, error in self.errors:
            if text in statement:
                self.errors.remove((text, error))
                raise error
        return []


@pytest.fixture
def maintain(definitions, monkeypatch):
    from headwater_dagster.defs.ingestion.resources import IngestionJobs, Lake
    from headwater_dagster.defs.maintenance import jobs

    monkeypatch.setattr(jobs.time, "sleep", lambda _: None)
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)

    def run(tables, cluster=None, config=None, job="maintain_lake"):
        class Known(Lake):
            def query(self, statement):
                return tables.query(statement)

        class Jobs(IngestionJobs):
            def api(self):
                return cluster or IngestionCluster([pod("Running"), done(0)], [])

        op = {"maintain_lake": "maintain_raw_tables", "maintain_models": "maintain_built_tables"}[job]
        resources = {"lake": Known(host="h", port="1", user="u", catalog="c")}
        if job == "maintain_lake":
            resources["ingestion"] = Jobs(namespace="headwater")
        return getattr(jobs, job).execute_in_process(
            resources=resources,
            run_config={"ops": {op: {"config": config or {}}}},
            raise_on_error=False,
        )

    return run


def test_every_table_is_compacted_before_its_snapshots_expire(maintain):
    """Expired first, the files that compaction replaces would stay for another night."""
    tables = Tables()
    assert maintain(tables, config={"snapshot_retention": "3d"}).success
    steps = [statement.split(" execute ") for statement in tables.said]
    assert [name for name, _ in steps] == ['alter table raw."orders"'] * 4 + ['alter table raw."odd""name"'] * 4
    assert [step.split("(")[0] for _, step in steps[:4]] == [
        *("optimize", "optimize_manifests", "expire_snapshots", "remove_orphan_files"),
    ]
    assert "retention_threshold => '3d'" in steps[2][1]


@pytest.mark.parametrize(
    ("held", "done"),
    [
        ([7, 3, 49, 1, 0, False], []),
        ([8, 0, 1, 1, 0, False], ["optimize"]),
        ([0, 4, 1, 1, 0, False], ["optimize"]),
        ([0, 0, 50, 1, 0, False], ["optimize_manifests"]),
        ([0, 0, 1, 2, 1, False], ["expire_snapshots"]),
        ([0, 0, 1, 1, 1, False], []),
        ([0, 0, 1, 1, 0, True], ["remove_orphan_files"]),
    ],
)
def test_a_table_gets_what_it_needs(maintain, held, done):
    """Every table rewritten each night costs what the lake costs; one that is never seen to gets slower each day."""
    tables = Tables(names=["orders"], held=held)
    assert maintain(tables).success
    assert [statement.split(" execute ")[1].split("(")[0] for statement in tables.said] == done


def test_every_schema_that_the_platform_writes_is_maintained(maintain, manifest):
    """Marts that are merged every quarter of an hour, and never compacted."""
    loaded, built = Tables(), Tables()
    assert maintain(loaded).success
    assert maintain(built, job="maintain_models").success
    assert loaded.schemas == ["raw"]
    assert set(built.schemas) == {
        node["schema"] for node in manifest["nodes"].values() if node["resource_type"] == "model"
    } | {"snapshots"}


def test_models_are_maintained_while_nothing_is_built(definitions):
    """A merge of dbt that meets a compaction fails, and with it the build."""
    jobs = {name: definitions.resolve_job_def(name) for name in ("maintain_lake", "maintain_models")}
    pools = {name: {node.definition.pool for node in job.nodes} for name, job in jobs.items()}
    assert pools == {"maintain_lake": {None}, "maintain_models": {"lake_writers"}}


@pytest.mark.parametrize("text", ["7", "d7", "", "7w"])
def test_a_duration_that_is_none_is_told(definitions, text):
    """A retention that Trino reads in another way than the question what is old."""
    from headwater_dagster.maintenance import interval

    with pytest.raises(ValueError, match="for example 7d"):
        interval(text)


@pytest.mark.parametrize("name", ["snapshot_retention", "orphan_retention", "small_file"])
@pytest.mark.parametrize("text", ["7d') --", "1e3d", " 7d", "64MB'", "infd"])
def test_settings_of_a_run_are_no_sql(definitions, name, text):
    """Whoever may start maintenance would run any statement, as the user that owns the marts."""
    from headwater_dagster.maintenance import Limits

    with pytest.raises(ValueError, match="for example"):
        Limits(**{name: text})


@pytest.mark.parametrize("name", ["ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT"])
def test_a_load_that_was_faster_is_no_failure(maintain, name):
    """A compaction that gives up at every load never happens on a busy table."""
    tables = Tables(errors=[('"orders" execute optimize(', conflict(name))] * 2)
    assert maintain(tables).success
    assert len([statement for statement in tables.said if '"orders" execute optimize(' in statement]) == 3


def test_a_table_that_fails_does_not_stop_the_others(maintain):
    tables = Tables(errors=[("orders", RuntimeError("disk full"))] * 2)
    result = maintain(tables)
    assert not result.success
    assert any('odd""name" execute remove_orphan_files' in statement for statement in tables.said)
    failed = [event for event in result.all_events if event.is_step_failure]
    assert "raw.orders: disk full" in str(failed[0].event_specific_data.error)


def test_files_of_failed_loads_are_deleted_by_the_target_that_wrote_them(maintain):
    """Trino can only go by age; the target knows its files by name, and deletes them at once."""
    lines = ["s3://lake/raw/orders/data/load-00000003-x-00000.parquet"]
    cluster = IngestionCluster([pod("Running"), done(0)], lines)
    result = maintain(Tables(), cluster)
    assert result.success
    container = cluster.manifest["spec"]["template"]["spec"]["containers"][0]
    assert [*container["command"], *container["args"]] == ["target-iceberg-tables", "orphans", "--delete"]


def test_a_failed_deletion_says_why(maintain):
    cluster = IngestionCluster([pod("Running"), done(1), pod("Running"), done(1)], ["403 Forbidden"])
    assert not maintain(Tables(), cluster).success


@pytest.mark.parametrize("name", ["every_night", "every_night_models"])
def test_maintenance_is_on(definitions, name):
    """Off by default it is never switched on, and delete files and snapshots pile up unseen."""
    schedule = definitions.get_repository_def().get_schedule_def(name)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
