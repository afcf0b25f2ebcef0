"""Several sources of a run loaded at once: Jobs that are started ahead of their steps."""

import base64
import gzip
import json
import zlib

import dagster as dg
import pytest

from .test_ingestion import IngestionCluster, checked, done, materialized, message
from .test_jobs import CRON_JOB, pod

AT_ONCE = "HEADWATER_LOADS_AT_ONCE"


def template(at_once):
    """The CronJob of a stack that loads so many sources at once."""
    cron_job = json.loads(json.dumps(CRON_JOB))
    container = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    container["env"].append({"name": AT_ONCE, "value": str(at_once)})
    return cron_job


def source_of(job):
    return job["metadata"]["labels"]["headwater/source"]


class Side(IngestionCluster):
    """A cluster that keeps its Jobs, each with a log of its own; `ended` says how, by source."""

    def __init__(self, streams, at_once=3, failed=()):
        super().__init__([], template=template(at_once))
        self.streams, self.failed, self.ended, self.most = streams, set(failed), {}, 0
        self.strangers = []

    def create_job(self, manifest):
        super().create_job(manifest)
        self.most = max(self.most, len([job for job in self.manifests if self.state(job) is None]))

    def state(self, manifest):
        return self.ended.get(manifest["metadata"]["name"])

    def jobs(self, selector):
        wanted = dict(part.split("=") for part in selector.split(",") if "=" in part)
        found = []
        for job in [*self.manifests, *self.strangers]:
            labels = job["metadata"]["labels"]
            outside = "notin" in selector and labels.get("headwater/source") in selector.split("notin", 1)[1]
            if wanted.items() <= labels.items() and not outside and job["metadata"]["name"] not in self.deleted:
                how = self.state(job)
                conditions = [] if how is None else [{"type": how, "status": "True"}]
                found.append({**job, "status": {"conditions": conditions}})
        return found

    def pods(self, job):
        source = next(source_of(each) for each in self.manifests if each["metadata"]["name"] == job)
        yield {**pod("Running"), "metadata": {"name": job}}
        while True:
            yield {**done(1 if source in self.failed else 0), "metadata": {"name": job}}

    def log_lines(self, pod):
        source = next(source_of(each) for each in self.manifests if each["metadata"]["name"] == pod)
        yield message("opened", extras={})
        if source in self.failed:
            yield f"{source}: no such host"
        else:
            for stream in self.streams[source]:
                yield from (materialized(stream, 1), checked(stream, passed=True))
        self.ended[pod] = "Failed" if source in self.failed else "Complete"


@pytest.fixture
def streams(definitions):
    from headwater_dagster.defs.ingestion.streams import connected

    return {source.name: [stream.table for stream in source.streams] for source in connected()}


def load_all(definitions, cluster, select=None):
    """Run the steps that load, all in this process, as a run of the pipeline does."""
    from headwater_dagster.defs.ingestion import ingestion_of
    from headwater_dagster.defs.ingestion.resources import IngestionJobs
    from headwater_dagster.defs.ingestion.streams import connected

    class Jobs(IngestionJobs):
        def api(self):
            return cluster

    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [ingestion_of(source) for source in connected()],
            instance=instance,
            selection=select,
            resources={"ingestion": Jobs(namespace="headwater")},
            raise_on_error=False,
        )


def context_of(manifest):
    """What headwater-ingest is told through Pipes."""
    environment = manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    (said,) = (each["value"] for each in environment if each["name"] == "DAGSTER_PIPES_CONTEXT")
    packed = base64.b64decode(said)
    plain = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else zlib.decompress(packed)
    return json.loads(plain)["data"]


def test_sources_are_loaded_at_the_same_time(definitions, streams):
    """Three sources of an hour each, loaded in three hours while the cluster is idle."""
    cluster = Side(streams)
    assert load_all(definitions, cluster).success
    assert sorted(map(source_of, cluster.manifests)) == sorted(streams), "each once"
    assert cluster.most == 3, "before the first of them has ended"
    assert cluster.deleted == []
    for manifest in cluster.manifests:
        expected = [f"raw/{table}" for table in streams[source_of(manifest)]]
        assert context_of(manifest)["asset_keys"] == expected, "each reports its own streams"


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_than_the_stack_allows(definitions, streams, at_once):
    """Pods that find no node, or a database with more readers than it takes."""
    cluster = Side(streams, at_once=at_once)
    assert load_all(definitions, cluster).success
    assert sorted(map(source_of, cluster.manifests)) == sorted(streams), "all are loaded, one by one"
    assert cluster.most == at_once


def test_only_what_the_run_is_to_load(definitions, streams):
    """A person who asks for one stream, and gets a load of Salesforce."""
    cluster = Side({**streams, "shop": ["orders"]})
    wanted = [dg.AssetKey(["raw", "orders"]), dg.AssetKey(["raw", "stripe_charges"])]
    cluster.streams["stripe"] = ["stripe_charges"]
    assert load_all(definitions, cluster, select=wanted).success
    asked = {
        source_of(job): job["spec"]["template"]["spec"]["containers"][0]["args"][-1].split(",")
        for job in cluster.manifests
    }
    assert set(asked) == {"shop", "stripe"}
    assert [len(each) for each in asked.values()] == [1, 1]


def test_one_that_failed_ahead_says_why_and_is_tried_again(definitions, streams, monkeypatch):
    """The reason lost with the first Job, or a refusing source that is read once more for nothing."""
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
    cluster = Side(streams, failed={"stripe"})
    result = load_all(definitions, cluster)
    assert not result.success
    assert {each.step_key for each in result.get_step_failure_events()} == {"ingest_stripe"}
    assert "stripe: no such host" in str(result.get_step_failure_events()[0].event_specific_data)
    assert [source_of(job) for job in cluster.manifests].count("stripe") == 3, "the first and two more tries"


def test_a_source_that_somebody_else_is_loading_waits_in_its_own_step(definitions, streams):
    """Two loads of a stream at once: one is refused."""
    cluster = Side(streams)
    stranger = {
        "metadata": {
            "name": "ingestion-elsewhere",
            "labels": {"app.kubernetes.io/name": "ingestion", "headwater/source": "stripe"},
        },
        "spec": {"template": {"spec": {"containers": [{"args": []}]}}},
    }
    cluster.strangers = [stranger]
    watched, beside = cluster.pods, []

    def ends_when_it_is_waited_for(job):
        if job == "ingestion-elsewhere":
            cluster.ended[job] = "Complete"
            return iter([None])
        beside.extend(source_of(each) for each in cluster.manifests)
        return watched(job)

    cluster.pods = ends_when_it_is_waited_for
    assert load_all(definitions, cluster).success
    assert sorted(map(source_of, cluster.manifests)) == sorted(streams)
    assert beside[:2] == ["salesforce", "shop"], "the third waited"
    assert cluster.ended["ingestion-elsewhere"] == "Complete"


def test_a_job_that_is_refused_is_left_to_its_step(definitions, streams):
    """A quota that stops a run which would have fitted into it, one load after the other."""
    cluster = Side(streams)
    create = cluster.create_job

    def refuse(manifest):
        if any(cluster.state(job) is None for job in cluster.manifests):
            raise RuntimeError("exceeded quota")
        create(manifest)

    cluster.create_job = refuse
    assert load_all(definitions, cluster).success
    assert sorted(map(source_of, cluster.manifests)) == sorted(streams)


def test_a_cancelled_run_leaves_no_job_at_work(definitions, streams, monkeypatch):
    """Somebody stops a run that costs too much, and two of its three loads go on."""
    from headwater_dagster.defs.ingestion import assets

    cluster, cancelled = Side(streams), []
    monkeypatch.setattr(assets, "is_cancelled", lambda context: bool(cancelled))
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
    read = cluster.log_lines

    def interrupted_once(pod):
        if not cancelled:
            # Dagster interrupts this step alone, and goes on to the next.
            cancelled.append(pod)
            raise dg.DagsterExecutionInterruptedError
        yield from read(pod)

    cluster.log_lines = interrupted_once
    assert not load_all(definitions, cluster).success
    assert {source_of(job) for job in cluster.manifests} == set(streams), "those that were started ahead as well"
    assert len(cluster.created) == len(streams), "nothing is started after it"
    assert set(cluster.deleted) == set(cluster.created)


def test_a_job_whose_pod_is_gone_is_made_again(definitions, streams):
    """A node of spot capacity goes, and takes the log of a load along that had ended well before its step came."""
    cluster = Side(streams)
    watched, lost = cluster.pods, []

    def gone(job):
        source = next(source_of(each) for each in cluster.manifests if each["metadata"]["name"] == job)
        if source == "stripe" and not lost:
            lost.append(job)
            cluster.ended[job] = "Complete"
        return iter([None]) if job in lost else watched(job)

    cluster.pods = gone
    create = cluster.create_job

    def ends_at_once(manifest):
        create(manifest)
        if source_of(manifest) == "stripe" and not lost:
            cluster.ended[manifest["metadata"]["name"]] = "Complete"

    cluster.create_job = ends_at_once
    assert load_all(definitions, cluster).success
    assert [source_of(job) for job in cluster.manifests].count("stripe") == 2


def test_no_reader_comes_for_a_load_that_has_ended(definitions, streams):
    """The log of a Job that was started ahead is read late: pods, and a node for them, that find nothing to read."""
    from .test_ingestion import WANTED

    cluster = Side(streams)
    read = cluster.log_lines

    def asks(pod):
        name = next(source_of(each) for each in cluster.manifests if each["metadata"]["name"] == pod)
        if name == "stripe":
            cluster.ended[pod] = "Complete"
            yield WANTED
        yield from read(pod)

    cluster.log_lines = asks
    assert load_all(definitions, cluster).success
    assert [job for job in cluster.created if job.endswith("-readers")] == []
