"""What the pipeline tells CloudWatch about itself: from Dagster's own records, by the real client, to a real server."""

import datetime as dt
import os
import socket
import subprocess
import sys

import dagster as dg
import pytest

NAMESPACE = "Headwater/headwater-test"
NOW = dt.datetime.now(dt.UTC)


@dg.asset(key=["marts", "fct_orders"])
def fct_orders():
    return None


@dg.asset(key=["marts", "dim_stores"])
def dim_stores():
    return None


@dg.asset(key=["raw", "orders"], check_specs=[dg.AssetCheckSpec("has_rows", asset=["raw", "orders"])])
def orders():
    yield dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(passed=True, metadata={"rows": 3, "newest_load": "2026-01-31 12:00:00 UTC"})]
    )


@dg.asset(key=["raw", "stores"])
def broken():
    raise ValueError("the source is away")


ASSETS = [fct_orders, dim_stores, orders, broken]
KEYS = [asset.key for asset in ASSETS]
CHECKS = [dg.AssetCheckKey(dg.AssetKey(["raw", "orders"]), "has_rows")]


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def look(instance, memory=None, now=None):
    from headwater_dagster.defs.operations import facts

    now = dt.datetime.now(dt.UTC) if now is None else now
    return facts.look(instance, KEYS, CHECKS, facts.Memory.of(memory, now), now)


def run(instance, *assets):
    return dg.materialize(list(assets), instance=instance, raise_on_error=False)


def test_a_failed_run_is_counted_once(instance):
    """One failure that rings at every look, or at none."""
    run(instance, broken)
    run(instance, fct_orders)
    facts, memory = look(instance)
    assert (facts.runs_failed, facts.runs_succeeded) == (1, 1)
    again, memory = look(instance, memory.cursor())
    assert (again.runs_failed, again.runs_succeeded) == (0, 0)
    run(instance, broken)
    third, _ = look(instance, memory.cursor())
    assert third.runs_failed == 1


def test_a_failure_that_was_counted_stays_counted_when_its_run_is_touched(instance):
    """Whoever tags yesterday's failed run, as Dagster's retries do, would ring the alarm today."""
    failed = run(instance, broken).run_id
    facts, memory = look(instance)
    assert facts.runs_failed == 1
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    _, memory = look(instance, memory.cursor(), later)
    instance.add_run_tags(failed, {"note": "looked at"})
    facts, _ = look(instance, memory.cursor(), later)
    assert facts.runs_failed == 0


def test_a_run_that_is_tried_again_is_no_failure_yet(instance):
    """A node that AWS took back would wake somebody, and the retry had done the work already."""
    instance.add_run_tags(run(instance, broken).run_id, {"dagster/will_retry": "true"})
    facts, _ = look(instance)
    assert facts.runs_failed == 0


def test_the_age_of_a_mart_goes_on_until_it_is_built(instance):
    """A mart that is not built any more, or never was, looks fresh."""
    run(instance, fct_orders)
    _, memory = look(instance)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=7)
    facts, _ = look(instance, memory.cursor(), later)
    assert facts.mart_ages == pytest.approx({"fct_orders": 7 * 3600, "dim_stores": 7 * 3600}, abs=60)
    run(instance, dim_stores)
    facts, memory = look(instance, memory.cursor())
    assert facts.mart_ages["dim_stores"] < 60
    assert memory.awaited == {}


def test_a_stream_says_when_it_was_loaded_and_how_old_its_newest_row_is(instance):
    """A source that sends nothing new, and loads that all succeed."""
    run(instance, orders)
    facts, _ = look(instance)
    assert facts.stream_ages == pytest.approx({"orders": 0}, abs=60)
    newest = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    assert facts.newest_rows == pytest.approx({"orders": (NOW - newest).total_seconds()}, abs=600)


def test_the_check_of_the_pipeline_still_says_what_is_read(definitions):
    """The metadata renamed on one side: the age of the newest row is not published any more, without an error."""
    from headwater_dagster.defs.ingestion.checks import check_of
    from headwater_dagster.defs.ingestion.resources import Lake
    from headwater_dagster.defs.ingestion.streams import sources

    class Filled(Lake):
        def query(self, statement):
            names = [line.split("'")[1] for line in statement.split("\n") if "'" in line]
            return [[name, 1, 3, "2026-01-31 12:00:00.000000 UTC"] for name in names]

    from headwater_dagster.defs.operations import facts

    with dg.DagsterInstance.ephemeral() as instance:
        checks = dg.Definitions(
            asset_checks=[check_of(source) for source in sources()],
            resources={"lake": Filled(host="h", port="1", user="u", catalog="c")},
        )
        checks.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
        graph = definitions.get_repository_def().asset_graph
        memory = facts.Memory.of(None, NOW)
        found, _ = facts.look(instance, graph.materializable_asset_keys, graph.asset_check_keys, memory, NOW)
    streams = {key.path[-1] for key in graph.materializable_asset_keys if key.path[0] == "raw"}
    assert set(found.newest_rows) == streams
    assert {"fct_orders", "daily_sales"} <= set(found.mart_ages)


@pytest.fixture(scope="module")
def cloudwatch(tmp_path_factory):
    """The address of a CloudWatch: moto's, of the project's own environment."""
    python = os.environ["HEADWATER_PROJECT_PYTHON"]  # cli/commands/test.py says it
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = (
        "import sys, werkzeug.serving as w; from moto.moto_server.werkzeug_app import *;"
        "app = DomainDispatcherApplication(create_backend_app);"
        f"s = w.make_server('127.0.0.1', {port}, app); print('ready', flush=True); s.serve_forever()"
    )
    # Its log goes to a file: a pipe that nobody reads fills up.
    with (tmp_path_factory.mktemp("moto") / "log").open("w") as log:
        server = subprocess.Popen([python, "-c", serve], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert server.stdout.readline() == "ready\n"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()  # it holds nothing, and on a busy machine it takes its time to end by itself
        server.wait()


@pytest.fixture
def surroundings(monkeypatch, cloudwatch):
    values = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-central-1",
              "AWS_ENDPOINT_URL": cloudwatch, "METRICS_NAMESPACE": NAMESPACE}  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def failures(namespace):
    """Return the number of failed runs that CloudWatch knows of."""
    import boto3

    found = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName="RunsFailed",
        StartTime=NOW - dt.timedelta(hours=1),
        EndTime=NOW + dt.timedelta(hours=1),
        Period=7200,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in found["Datapoints"])


def test_what_dagster_knows_arrives_at_cloudwatch(surroundings, definitions, instance):
    """A sensor that ticks and publishes nothing, under another name, or in a shape that CloudWatch refuses."""
    import boto3
    from headwater_dagster.defs.operations.sensors import publish_metrics

    run(instance, broken)
    context = dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def())
    result = publish_metrics(context)
    assert result.skip_reason.skip_message.endswith("values published")
    client = boto3.client("cloudwatch")
    listed = client.list_metrics(Namespace=NAMESPACE)["Metrics"]
    marts = {each["Value"] for metric in listed for each in metric["Dimensions"] if each["Name"] == "Mart"}
    assert {"fct_orders", "daily_sales"} <= marts
    assert failures(NAMESPACE) == 1


def test_what_could_not_be_published_is_published_by_the_next_look(surroundings, definitions, instance, monkeypatch):
    """A failed run that nobody hears of, because CloudWatch was away for a minute."""
    from botocore.exceptions import EndpointConnectionError
    from headwater_dagster.defs.operations.sensors import publish_metrics

    def tick(cursor=None):
        repository = definitions.get_repository_def()
        return publish_metrics(dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor))

    monkeypatch.setenv("METRICS_NAMESPACE", "Headwater/headwater-other")
    first = tick()
    run(instance, broken)
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        away.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(EndpointConnectionError):
            tick(first.cursor)
    tick(first.cursor)
    assert failures("Headwater/headwater-other") == 1


@pytest.mark.parametrize("namespace", [None, NAMESPACE])
def test_a_stack_without_cloudwatch_has_no_sensor(namespace, dbt_project):
    """On one machine it would fail every four minutes, for want of an account."""
    environment = {name: value for name, value in os.environ.items() if name != "METRICS_NAMESPACE"}
    environment["DBT_PROJECT_DIR"] = str(dbt_project)
    if namespace is not None:
        environment["METRICS_NAMESPACE"] = namespace
    show = (
        "from headwater_dagster.definitions import defs;"
        "print(defs.get_repository_def().has_sensor_def('publish_metrics'))"
    )
    argv = [sys.executable, "-W", "ignore", "-c", show]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(namespace is not None), done.stderr
