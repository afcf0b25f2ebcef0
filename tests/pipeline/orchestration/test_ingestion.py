import json

import dagster as dg
import pytest
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD

from .test_jobs import CRON_JOB, Cluster, pod


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


def materialize(definitions, cluster, streams):
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


def test_readers_that_are_left_are_deleted(definitions, no_wait, monkeypatch):
    """Pods that no node has taken yet would start for nothing, and the next run would wait for them."""
    from headwater_dagster.defs.ingestion import readers

    monkeypatch.setattr(readers, "LEAVING_SECONDS", 0.01)
    cluster = IngestionCluster([pod("Running"), done(0)], [message("opened", extras={}), WANTED])
    cluster.active_jobs = lambda selector: (
        [{"metadata": {"name": name}} for name in cluster.created if name.endswith("-readers")]
        if "run-id" in selector
        else []
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
    cluster.active_jobs = lambda selector: asked.append(selector) or []
    materialize(definitions, cluster, ["stripe_charges"])
    assert asked[0] == "app.kubernetes.io/name=ingestion,headwater/source notin (salesforce,shop)"


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


def test_a_missing_template_says_what_to_do(definitions):
    result = materialize(definitions, IngestionCluster([pod()], template=None), ["orders"])
    assert not result.success
    assert "make up" in failure_of(result)


class TestSensor:
    @pytest.fixture(autouse=True)
    def loaded(self, definitions):
        """The module imports the definitions."""

    @pytest.fixture
    def shop(self, monkeypatch):
        from headwater_dagster.defs.ingestion.resources import Shop

        rows = {"orders": ["2026-11-22", 5], "customers": ["2026-11-20", 2]}
        fake = Shop("h", "1", "d", "u", "p")
        monkeypatch.setattr(Shop, "from_environment", classmethod(lambda cls: fake))
        monkeypatch.setattr(Shop, "query", lambda *_: [(name, *state) for name, state in rows.items()])
        return rows

    def evaluate(self, cursor=None, instance=None):
        from headwater_dagster.defs.pipeline.sensors import shop_has_new_rows

        with dg.DagsterInstance.ephemeral() as fresh:
            context = dg.build_sensor_context(instance=instance if instance is not None else fresh, cursor=cursor)
            return shop_has_new_rows(context)

    def test_the_first_look_starts_a_run(self, shop):
        result = self.evaluate()
        assert len(result.run_requests) == 1
        assert json.loads(result.cursor) == shop

    def test_an_unchanged_shop_starts_none(self, shop):
        assert "as they were" in self.evaluate(cursor=json.dumps(shop)).skip_message

    def test_rows_with_an_old_time_of_change_are_seen(self, shop):
        before = json.dumps(shop)
        shop["orders"] = ["2026-11-22", 6]
        assert len(self.evaluate(cursor=before).run_requests) == 1

    def test_a_run_under_way_is_waited_for_and_nothing_forgotten(self, shop):
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_run(
                dg.DagsterRun(job_name="petco_pipeline", run_id="0" * 8, status=dg.DagsterRunStatus.STARTED)
            )
            result = self.evaluate(cursor="{}", instance=instance)
        assert isinstance(result, dg.SkipReason)

    def test_without_a_source_it_says_so(self, monkeypatch):
        monkeypatch.delenv("SHOP_HOST", raising=False)
        assert "SHOP_HOST" in self.evaluate().skip_message


def test_a_raw_stream_without_rows_fails_its_check(definitions):
    from headwater_dagster.defs.ingestion.checks import check_of
    from headwater_dagster.defs.ingestion.resources import Lake
    from headwater_dagster.defs.ingestion.streams import sources

    class Empty(Lake):
        def query(self, statement):
            names = [line.split("'")[1] for line in statement.split("\n") if "'" in line]
            return [[name, 0 if name in {"stores", "stripe_disputes"} else 3, None] for name in names]

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
