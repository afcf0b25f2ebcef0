import itertools

import pytest
from headwater_dagster.jobs import pod as pods
from headwater_dagster.jobs.manifest import job_manifest
from headwater_dagster.jobs.run import JobFailed, Patience, clear_the_way, follow_job, left_over

CRON_JOB = {
    "metadata": {"name": "ingestion", "namespace": "headwater", "uid": "u-1"},
    "spec": {
        "suspend": True,
        "jobTemplate": {
            "metadata": {
                "labels": {"app.kubernetes.io/name": "ingestion", "app.kubernetes.io/managed-by": "pulumi"},
            },
            "spec": {
                "activeDeadlineSeconds": 21600,
                "template": {
                    "metadata": {"labels": {"app.kubernetes.io/name": "ingestion"}},
                    "spec": {
                        "serviceAccountName": "ingestion",
                        "containers": [
                            {
                                "name": "ingestion",
                                "image": "127.0.0.1:5000/headwater/ingestion@sha256:00",
                                "env": [
                                    {"name": "SHOP_HOST", "value": "shop.petco"},
                                    {"name": "SHOP_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                                    {"name": "DAGSTER_PIPES_CONTEXT", "value": "old"},
                                ],
                                "resources": {"limits": {"memory": "1Gi"}},
                            }
                        ],
                    },
                },
            },
        },
    },
}


@pytest.fixture
def manifest():
    return job_manifest(
        CRON_JOB,
        name="ingestion-1",
        arguments=["--streams", "orders,order_items"],
        environment={"DAGSTER_PIPES_CONTEXT": "new"},
        labels={"headwater/run-id": "run-1"},
    )


def pod(phase="Pending", waiting=None, terminated=None, unschedulable=None):
    state = {"waiting": waiting} if waiting else {"terminated": terminated} if terminated else {}
    conditions = [{"type": "PodScheduled", "status": "False", **unschedulable}] if unschedulable else []
    return {
        "metadata": {"name": "ingestion-1-abcde"},
        "status": {
            "phase": phase,
            "conditions": conditions,
            "containerStatuses": [{"name": "ingestion", "image": "registry/ingestion", "state": state}],
        },
    }


class Cluster:
    """A JobApi that plays back states of a pod; the last one stays."""

    namespace = "headwater"

    def __init__(self, states, lines=(), active=()):
        self.states, self.lines, self.active = states, lines, [list(jobs) for jobs in active]
        self.created, self.deleted, self.position = [], [], 0

    def create_job(self, manifest):
        self.created.append(manifest["metadata"]["name"])

    def delete_job(self, name):
        self.deleted.append(name)

    def jobs(self, selector):
        return self.active.pop(0) if self.active else []

    def pods(self, job):
        for position in itertools.count(self.position):
            self.position = position
            yield self.states[min(position, len(self.states) - 1)]

    def log_lines(self, pod):
        yield from self.lines

    def events(self, name):
        return ["FailedCreate: exceeded quota"]


def run(cluster, manifest, patience=Patience()):  # noqa: B008 - frozen
    cluster.create_job(manifest)
    follow_job(cluster, "ingestion-1", lambda line: not line.startswith("{"), patience, lambda: False)


class TestManifest:
    def test_keeps_what_the_template_says(self, manifest):
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        assert container["image"].endswith("@sha256:00")
        assert container["resources"] == {"limits": {"memory": "1Gi"}}
        assert manifest["spec"]["activeDeadlineSeconds"] == 21600
        assert manifest["spec"]["template"]["spec"]["serviceAccountName"] == "ingestion"

    def test_replaces_arguments_and_adds_the_environment(self, manifest):
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        assert container["args"] == ["--streams", "orders,order_items"]
        names = [variable["name"] for variable in container["env"]]
        assert names == ["SHOP_HOST", "SHOP_PASSWORD", "DAGSTER_PIPES_CONTEXT"]
        assert container["env"][-1]["value"] == "new"
        assert "valueFrom" in container["env"][1]

    def test_runs_once_and_cleans_up(self, manifest):
        assert manifest["spec"]["backoffLimit"] == 0
        assert manifest["spec"]["template"]["spec"]["restartPolicy"] == "Never"
        assert manifest["spec"]["ttlSecondsAfterFinished"] > 0

    def test_is_owned_and_labelled(self, manifest):
        assert manifest["metadata"]["ownerReferences"][0]["uid"] == "u-1"
        for metadata in (manifest["metadata"], manifest["spec"]["template"]["metadata"]):
            expected = {"app.kubernetes.io/name": "ingestion", "headwater/run-id": "run-1"}
            assert metadata["labels"].items() >= expected.items()

    def test_a_run_that_failed_is_no_part_of_the_platform(self, manifest):
        """`make up` waits for what pulumi manages, and would for a failed Job until it is removed after a day."""
        assert CRON_JOB["spec"]["jobTemplate"]["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "pulumi"
        assert manifest["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "dagster"

    def test_leaves_the_template_alone(self, manifest):
        container = CRON_JOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
        assert "args" not in container
        assert container["env"][-1]["value"] == "old"


class TestRun:
    def test_success_leaves_the_job_for_its_log(self, manifest):
        cluster = Cluster([None, pod(), pod("Running"), pod("Succeeded", terminated={"exitCode": 0})])
        run(cluster, manifest)
        assert cluster.created == ["ingestion-1"]
        assert cluster.deleted == []

    def test_failure_repeats_the_last_lines_of_the_log(self, manifest):
        states = [pod("Running"), pod("Failed", terminated={"exitCode": 1, "reason": "Error"})]
        lines = [f"line {number}" for number in range(100)] + ['{"pipes": 1}', "ingestion failed: no such table"]
        with pytest.raises(JobFailed) as failure:
            run(Cluster(states, lines), manifest)
        text = str(failure.value)
        assert "Job headwater/ingestion-1 failed with exit code 1 (Error)" in text
        assert "kubectl logs -n headwater job/ingestion-1" in text
        assert text.endswith("ingestion failed: no such table")
        assert "line 99" in text
        assert "line 2\n" not in text
        assert "pipes" not in text

    def test_memory_says_which_limit(self, manifest):
        states = [pod("Running"), pod("Failed", terminated={"exitCode": 137, "reason": "OOMKilled"})]
        with pytest.raises(JobFailed, match="memory limit"):
            run(Cluster(states), manifest)

    def test_an_image_that_cannot_be_pulled_is_no_endless_wait(self, manifest):
        waiting = {"reason": "ImagePullBackOff", "message": "manifest unknown"}
        cluster = Cluster([pod(), pod(waiting={"reason": "ErrImagePull"}), pod(waiting=waiting)])
        with pytest.raises(JobFailed, match=r"cannot pull the image.*manifest unknown"):
            run(cluster, manifest)
        assert cluster.deleted == ["ingestion-1"]

    def test_a_pod_that_no_node_takes_says_why(self, manifest):
        full = {"reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient memory"}
        with pytest.raises(JobFailed, match="Insufficient memory"):
            run(Cluster([pod(unschedulable=full)]), manifest, Patience(node=0))

    def test_a_job_without_a_pod_shows_its_events(self, manifest):
        with pytest.raises(JobFailed, match="exceeded quota"):
            run(Cluster([None]), manifest, Patience(pod=0))

    def test_an_evicted_pod_is_a_failure(self, manifest):
        gone = {"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "disk"}}
        with pytest.raises(JobFailed, match="Evicted"):
            run(Cluster([pod("Running"), gone]), manifest)

    @pytest.mark.parametrize("cancelled", [True, False])
    def test_only_a_person_who_cancels_takes_the_job_along(self, cancelled):
        """A node that is drained interrupts a run as a person does: a first load of hours would begin anew."""
        cluster = Cluster([pod("Running")], lines=["one"])

        def interrupt(_line):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            follow_job(cluster, "ingestion-1", interrupt, Patience(), lambda: cancelled)
        assert cluster.deleted == (["ingestion-1"] if cancelled else [])

    def test_a_cluster_that_can_not_be_reached_leaves_the_job_at_work(self, manifest):
        """The deletion of a load that runs well, because its watcher lost sight of it."""
        cluster = Cluster([pod("Running")])

        def lost(pod):
            raise OSError("connection refused")

        cluster.log_lines = lost
        with pytest.raises(OSError, match="refused"):
            run(cluster, manifest)
        assert cluster.deleted == []


def job(name, run="run-1", root="run-1", ended=None, args=("--streams", "orders")):
    """A Job as the API shows it; ended: Complete or Failed."""
    conditions = [{"type": ended, "status": "True"}] if ended else []
    return {
        "metadata": {"name": name, "labels": {"headwater/run-id": run, "headwater/root-run-id": root}},
        "spec": {"template": {"spec": {"containers": [{"args": list(args)}]}}},
        "status": {"conditions": conditions},
    }


OTHER, OWN = job("ingestion-other", run="run-2"), job("ingestion-own")


class TestLeftOver:
    """What an earlier attempt has left is taken up, where it does what this one is to do."""

    def found(self, *jobs):
        labels = {"headwater/root-run-id": "run-1"}, {"headwater/run-id": "run-2"}
        return left_over(Cluster([pod()], active=[jobs]), *labels, ["--streams", "orders"])

    def test_a_job_that_runs_is_taken_up_whichever_attempt_made_it(self):
        """A load that is begun again from its start, because the pod which watched it was moved."""
        assert self.found(job("a", run="run-1")) == "a"
        assert self.found(job("a", run="run-2")) == "a"

    def test_one_that_has_succeeded_only_where_this_run_made_it(self):
        """A run that somebody repeats on purpose, and that loads nothing: it reports what the first had loaded."""
        assert self.found(job("a", run="run-1", ended="Complete")) is None
        assert self.found(job("a", run="run-2", ended="Complete")) == "a"

    def test_one_that_failed_or_does_something_else_is_not(self):
        """A retry that fails at once of the failure before it; streams that nobody loads."""
        assert self.found(job("a", run="run-2", ended="Failed")) is None
        assert self.found(job("a", args=["--streams", "stores"])) is None
        assert self.found() is None

    def test_the_newest_counts(self):
        """The result of a load that another has overtaken."""
        assert self.found(job("a", run="run-2", ended="Complete"), job("b", run="run-2")) == "b"


class TestClearTheWay:
    def clear(self, cluster, patience=Patience()):  # noqa: B008 - frozen
        said = []
        clear_the_way(cluster, "app=ingestion", {"headwater/run-id": "run-1"}, said.append, patience)
        return said

    def test_what_an_earlier_try_left_is_deleted(self):
        cluster = Cluster([pod("Running")], active=[[OWN], []])
        self.clear(cluster)
        assert cluster.deleted == ["ingestion-own"]

    def test_what_is_taken_up_is_left_alone(self):
        """The load that the run is about to follow, deleted by itself."""
        cluster = Cluster([pod("Running")], active=[[OWN]] * 3)
        clear_the_way(
            cluster, "app=ingestion", {"headwater/run-id": "run-1"}, print, Patience(), spared="ingestion-own"
        )
        assert cluster.deleted == []

    def test_what_has_ended_is_no_rival(self):
        """A wait for Jobs that are kept for their logs."""
        cluster = Cluster([pod("Running")], active=[[job("a", run="run-2", ended="Failed")]])
        assert self.clear(cluster) == []

    def test_another_run_is_waited_for(self):
        cluster = Cluster([pod("Running")], active=[[OTHER], [OTHER], []])
        assert self.clear(cluster) == ["waiting for Job ingestion-other, which is still running"]
        assert cluster.deleted == []

    def test_waiting_ends(self):
        cluster = Cluster([pod("Running")], active=[[OTHER]] * 3)
        with pytest.raises(JobFailed, match="ingestion-other"):
            self.clear(cluster, Patience(others=0))


def test_a_container_that_waits_for_its_first_pull_is_not_stuck():
    assert pods.stuck_reason(pod(waiting={"reason": "ContainerCreating"})) is None
    assert pods.stuck_reason(pod(waiting={"reason": "ErrImagePull"})) is None
