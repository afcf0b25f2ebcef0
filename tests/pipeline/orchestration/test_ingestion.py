"""Ingestion in a Dagster run: what its Job reports, and what becomes of runs that go wrong."""

import json

import dagster as dg
import pytest
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD
from headwater_dagster.jobs.run import Patience

from .test_jobs import CRON_JOB, Cluster, job, pod


def message(method, **params):
    return json.dumps({PIPES_PROTOCOL_VERSION_FIELD: "0.1", "method": method, "params": params or None})


def materialized(stream, rows):
    metadata = {"rows": {"raw_value": rows, "type": "__infer__"}}
    return message("report_asset_materialization", asset_key=f"raw/{stream}", metadata=metadata, data_version=None)


def checked(stream, passed, severity="WARN"):
    metadata = {"findings": {"raw_value": "- **warn** orders.gift: new", "type": "md"}}
    return message("report_asset_check", asset_key=f"raw/{stream}", check_name="contract", passed=passed,
                   severity=severity, metadata=metadata)  # fmt: skip


class IngestionCluster(Cluster):
    def __init__(self, *arguments, template=CRON_JOB, **options):
        super().__init__(*arguments, **options)
        self.template, self.manifest, self.manifests = template, None, []

    def cron_job(self, name):
        return self.template

    def create_job(self, manifest):
        super().create_job(manifest)
        self.manifest = manifest
        self.manifests.append(manifest)


def materialize(definitions, cluster, streams, **options):
    from headwater_dagster.defs.ingestion.resources import IngestionJobs

    class Jobs(IngestionJobs):
        def api(self):
            return cluster

    return dg.materialize(
        [definitions.get_assets_def(dg.AssetKey(["raw", streams[0]]))],
        selection=[dg.AssetKey(["raw", stream]) for stream in streams],
        resources={"ingestion": Jobs(namespace="headwater")},
        raise_on_error=False,
        run_config=None,
        **options,
    )


def done(code):
    return pod("Succeeded" if code == 0 else "Failed", terminated={"exitCode": code, "reason": "Error"})


def test_reported_streams_become_materializations(definitions):
    reported = [materialized("orders", 12), checked("orders", passed=True)]
    lines = [message("opened", extras={}), "reading orders", *reported, message("closed")]
    cluster = IngestionCluster([pod("Running"), done(0)], lines)
    result = materialize(definitions, cluster, ["orders"])
    assert result.success
    event = result.asset_materializations_for_node("ingest_shop")[0]
    assert event.asset_key == dg.AssetKey(["raw", "orders"])
    assert event.metadata["rows"].value == 12
    container = cluster.manifest["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["--tap", "tap-shop", "--streams", "orders"]
    assert cluster.manifest["metadata"]["labels"]["headwater/source"] == "shop"
    assert {"DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES"} <= {entry["name"] for entry in container["env"]}


WANTED = message("report_custom_message", payload={"headwater/readers": {"share": "s-1", "pods": 3}})


def test_a_run_that_asks_for_pods_gets_a_job_of_them(definitions):
    """A very large table is else read by one pod, and nobody sees why it takes so long."""
    lines = [message("opened", extras={}), WANTED, WANTED, materialized("orders", 12), checked("orders", passed=True)]
    cluster = IngestionCluster([pod("Running"), done(0)], lines)
    assert materialize(definitions, cluster, ["orders"]).success
    run, readers = cluster.manifests
    assert readers["metadata"]["name"] == f"{run['metadata']['name']}-readers"
    assert len(readers["metadata"]["name"]) <= 63, "it is a label of its pods"
    spec = readers["spec"]
    assert (spec["parallelism"], spec["completions"], spec["backoffLimit"]) == (3, 3, 3)
    container = spec["template"]["spec"]["containers"][0]
    assert container["args"] == ["--tap", "tap-shop", "--reads-for", "s-1"]
    assert readers["metadata"]["labels"].items() >= {"headwater/source": "shop"}.items(), "a rival of the next run"
    assert not {entry["name"] for entry in container["env"] if entry.get("value") != "old"} & {
        "DAGSTER_PIPES_CONTEXT",
        "DAGSTER_PIPES_MESSAGES",
    }, "only the run reports"
    assert cluster.deleted == [], "they end by themselves, and their logs stay"


def test_progress_of_a_long_read_is_in_the_log_of_the_run(definitions):
    """A first load of hours that says nothing looks like one that hangs."""
    said = "Progress of shop.orders: 12 rows, 50%, 1 rows/s, about 12 s left"
    told = message("report_custom_message", payload={"headwater/progress": said})
    lines = [message("opened", extras={}), told, materialized("orders", 12), checked("orders", passed=True)]
    instance = dg.DagsterInstance.ephemeral()
    cluster = IngestionCluster([pod("Running"), done(0)], lines)
    result = materialize(definitions, cluster, ["orders"], instance=instance)
    assert said in [each.user_message for each in instance.all_logs(result.run_id)]


def test_readers_that_are_left_are_deleted(definitions, no_wait, monkeypatch):
    """Pods that no node has taken yet would start for nothing, and the next run would wait for them."""
    from headwater_dagster.defs.ingestion import readers

    monkeypatch.setattr(readers, "LEAVING_SECONDS", 0.01)
    cluster = IngestionCluster([pod("Running"), done(0)], [message("opened", extras={}), WANTED])
    cluster.jobs = lambda selector: (
        [job(name, args=[]) for name in cluster.created if name.endswith("-readers")] if "run-id" in selector else []
    )
    materialize(definitions, cluster, ["orders"])
    started = [name for name in cluster.created if name.endswith("-readers")]
    assert started
    assert cluster.deleted == started
    failed = IngestionCluster([pod("Running"), done(1)], [message("opened", extras={}), WANTED])
    assert not materialize(definitions, failed, ["orders"]).success
    assert failed.deleted == [name for name in failed.created if name.endswith("-readers")]


def test_a_cluster_that_refuses_readers_stops_no_run(definitions):
    """A quota must cost time only: the run reads on alone."""
    lines = [message("opened", extras={}), WANTED, materialized("orders", 12), checked("orders", passed=True)]
    cluster = IngestionCluster([pod("Running"), done(0)], lines)
    create = cluster.create_job

    def refuse(manifest):
        if manifest["metadata"]["name"].endswith("-readers"):
            raise RuntimeError("exceeded quota")
        create(manifest)

    cluster.create_job = refuse
    assert materialize(definitions, cluster, ["orders"]).success


def test_findings_of_a_contract_are_a_check_of_the_asset(definitions):
    lines = [message("opened", extras={}), materialized("orders", 12), checked("orders", passed=False)]
    result = materialize(definitions, IngestionCluster([pod("Running"), done(0)], lines), ["orders"])
    assert result.success, "a warning stops nothing"
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed, evaluation.severity.value) == ("contract", False, "WARN")
    assert "orders.gift" in evaluation.metadata["findings"].value


def test_stream_that_its_contract_refuses_is_a_failed_check_too(definitions, no_wait):
    """The run's error names the Job; the asset page has to say which stream, and what to decide."""
    lines = [message("opened", extras={}), checked("orders", passed=False, severity="ERROR"), "ingestion failed"]
    result = materialize(definitions, IngestionCluster([pod("Running"), done(1)], lines), ["orders"])
    assert not result.success
    assert "ERROR" in {each.severity.value for each in result.get_asset_check_evaluations()}


def test_a_source_waits_for_jobs_of_its_own_and_for_those_of_a_person(definitions, no_wait):
    """Two loads of a stream at once: one is refused. Waiting for the other sources' would tie them together."""
    cluster = IngestionCluster([pod("Running"), done(1)], [])
    asked = []
    cluster.jobs = lambda selector: asked.append(selector) or []
    materialize(definitions, cluster, ["stripe_charges"])
    assert asked[1] == "app.kubernetes.io/name=ingestion,headwater/source notin (salesforce,shop)"


def failure_of(result):
    failures = [event for event in result.all_events if event.is_step_up_for_retry or event.is_step_failure]
    error, texts = failures[0].event_specific_data.error, []
    while error is not None:
        texts.append(error.message)
        error = error.cause
    return "\n".join(texts)


@pytest.fixture
def no_wait(monkeypatch):
    """Retries without their delays: what is tested is the first failure."""
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)


def test_a_failed_job_is_an_error_that_can_be_read(definitions, no_wait):
    cluster = IngestionCluster([pod("Running"), done(1)], ["ingestion failed: relation shop.orders does not exist"])
    result = materialize(definitions, cluster, ["orders"])
    assert not result.success
    assert "relation shop.orders does not exist" in failure_of(result)


def test_a_stream_that_was_not_reported_is_a_failure(definitions, no_wait):
    lines = [message("opened", extras={}), materialized("orders", 12), message("closed")]
    result = materialize(definitions, IngestionCluster([pod("Running"), done(0)], lines), ["orders", "stores"])
    assert not result.success
    assert "did not report raw/stores" in failure_of(result)


def test_a_job_that_an_earlier_attempt_left_is_taken_up(definitions, no_wait):
    """An API server that is away for long fails the attempt; the next one must not load the same beside it."""
    lines = [message("opened", extras={}), materialized("orders", 12), checked("orders", passed=True)]
    cluster = IngestionCluster([pod("Running"), done(0)], lines)
    read, tries = cluster.log_lines, []

    def lost_at_first(pod):
        tries.append(pod)
        if len(tries) == 1:
            raise OSError("connection refused")
        yield from read(pod)

    cluster.log_lines = lost_at_first
    cluster.jobs = lambda selector: [made(each) for each in cluster.manifests] if "run-id" in selector else []
    result = materialize(definitions, cluster, ["orders"])
    assert result.success
    assert len(tries) == 2
    assert (len(cluster.created), cluster.deleted) == (1, [])
    assert result.asset_materializations_for_node("ingest_shop")[0].metadata["rows"].value == 12


def made(manifest):
    """The manifest as the API shows it."""
    return {**manifest, "status": {}}


@pytest.mark.parametrize(("code", "jobs"), [(1, 3), (65, 1)])
def test_what_needs_a_person_is_not_read_three_times(definitions, no_wait, code, jobs):
    """A contract that refuses the data after hours of reading, and two more readings that it refuses as well."""
    cluster = IngestionCluster([pod("Running"), done(code)], ["ingestion failed: refused by the contract"])
    assert not materialize(definitions, cluster, ["orders"]).success
    assert len(cluster.created) == jobs


def test_a_wait_for_a_rival_that_never_ends_says_so(definitions, no_wait, monkeypatch):
    """The reason of the failure, hidden behind a fault of our own."""
    from headwater_dagster.defs.ingestion import assets

    monkeypatch.setattr(assets, "Patience", lambda: Patience(others=0))
    cluster = IngestionCluster([pod("Running"), done(0)], [])
    cluster.jobs = lambda selector: [job("ingestion-by-hand", run="none", root="none")] if "name=" in selector else []
    result = materialize(definitions, cluster, ["orders"])
    assert not result.success
    assert "still running after 0 s: ingestion-by-hand" in failure_of(result)


def test_a_missing_template_says_what_to_do(definitions):
    result = materialize(definitions, IngestionCluster([pod()], template=None), ["orders"])
    assert not result.success
    assert "make up" in failure_of(result)


def test_a_raw_stream_without_rows_fails_its_check(definitions):
    from headwater_dagster.defs.ingestion.checks import check_of
    from headwater_dagster.defs.ingestion.resources import Lake
    from headwater_dagster.defs.ingestion.streams import sources

    class Empty(Lake):
        def query(self, statement):
            names = [line.split("'")[1] for line in statement.split("\n") if "'" in line]
            return [
                [name, 0, None, None] if name in {"stores", "stripe_disputes"} else [name, 1, 3, None] for name in names
            ]

    lake = Empty(host="h", port="1", user="u", catalog="c")
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.Definitions(
            asset_checks=[check_of(source) for source in sources()], resources={"lake": lake}
        ).resolve_implicit_global_asset_job_def()
        outcome = result.execute_in_process(instance=instance, raise_on_error=False)
    failed = {
        event.asset_key.path[-1]: event.severity.value
        for event in outcome.get_asset_check_evaluations()
        if not event.passed
    }
    assert failed == {"stores": "ERROR", "stripe_disputes": "WARN"}, (
        "a shop without stores is broken; no dispute is fine"
    )


def test_the_tls_of_dagsters_database_is_not_asked_of_the_shop(monkeypatch):
    """PGSSLMODE=require, set for a managed database, would keep the sensor out of a shop that has no TLS."""
    import psycopg2
    from headwater_dagster.defs.ingestion.resources import Shop

    for name in ("HOST", "PORT", "DATABASE", "USER", "PASSWORD"):
        monkeypatch.setenv(f"SHOP_{name}", "1")
    asked = {}

    def refuse(**options):
        asked.update(options)
        raise psycopg2.OperationalError

    monkeypatch.setattr(psycopg2, "connect", refuse)
    for mode in ("prefer", "require"):
        if mode == "require":
            monkeypatch.setenv("SHOP_SSLMODE", mode)
        with pytest.raises(psycopg2.OperationalError):
            Shop.from_environment().query("select 1")
        assert asked["sslmode"] == mode
