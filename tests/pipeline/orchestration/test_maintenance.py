import dagster as dg
import pytest
import trino

from .test_ingestion import IngestionCluster, done
from .test_jobs import pod


def conflict(name="ICEBERG_COMMIT_ERROR"):
    return trino.exceptions.TrinoQueryError(
        {"errorName": name, "errorType": "EXTERNAL", "message": "a load was faster"}
    )


class Tables:
    """Trino as the job sees it: two tables, and errors to come for statements that contain a text."""

    def __init__(self, *, names=("orders", 'odd"name'), errors=()):
        self.names, self.errors, self.said = names, list(errors), []

    def query(self, statement):
        if statement.startswith("select"):
            return [[name] for name in self.names]
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

    def run(tables, cluster=None, config=None):
        class Known(Lake):
            def query(self, statement):
                return tables.query(statement)

        class Jobs(IngestionJobs):
            def api(self):
                return cluster or IngestionCluster([pod("Running"), done(0)], [])

        return jobs.maintain_lake.execute_in_process(
            resources={
                "lake": Known(host="h", port="1", user="u", catalog="c"),
                "ingestion": Jobs(namespace="headwater"),
            },
            run_config={"ops": {"maintain_raw_tables": {"config": config or {}}}},
            raise_on_error=False,
        )

    return run


def test_every_table_is_compacted_before_its_snapshots_expire(maintain):
    """Expired first, the files that compaction replaces would stay for another night."""
    tables = Tables()
    assert maintain(tables, config={"snapshot_retention": "3d"}).success
    steps = [statement.split(" execute ") for statement in tables.said]
    assert [name for name, _ in steps] == ['alter table raw."orders"'] * 3 + ['alter table raw."odd""name"'] * 3
    assert [step.split("(")[0] for _, step in steps[:3]] == ["optimize", "expire_snapshots", "remove_orphan_files"]
    assert "retention_threshold => '3d'" in steps[1][1]


@pytest.mark.parametrize("name", ["ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT"])
def test_a_load_that_was_faster_is_no_failure(maintain, name):
    """A compaction that gives up at every load never happens on a busy table."""
    tables = Tables(errors=[('"orders" execute optimize', conflict(name))] * 2)
    assert maintain(tables).success
    assert len([statement for statement in tables.said if '"orders" execute optimize' in statement]) == 3


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


def test_maintenance_starts_by_itself_only_when_it_is_switched_on(definitions):
    schedule = definitions.get_repository_def().get_schedule_def("every_night")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
