from __future__ import annotations

import os
import select
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.platform import dagster as pipeline
from cli.platform import endpoints, forward, jobs, kube
from cli.platform import status as platform_status
from localstack.errors import LocalError
from localstack.home import Home

NOW = datetime.fromisoformat("2026-01-01T12:00:00Z").timestamp()


def deployment(ready: int, replicas: int = 1, generation: int = 1, observed: int = 1) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {
            "name": "trino",
            "namespace": "headwater",
            "generation": generation,
            "creationTimestamp": "2026-01-01T11:00:00Z",
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "trino"}}},
        "status": {"readyReplicas": ready, "observedGeneration": observed},
    }


def pod(**status: Any) -> dict[str, Any]:
    labels = {"app": "trino", "app.kubernetes.io/name": "dagster", "app.kubernetes.io/component": "daemon"}
    return {"kind": "Pod", "metadata": {"name": "p", "namespace": "headwater", "labels": labels}, "status": status}


class Logs:
    """kubectl with one running load."""

    platform = endpoints.load("dev", {})

    def get(self, kinds: str, _namespace: str, *_: str) -> list[dict[str, Any]]:
        assert kinds == "pods"
        return [pod(phase="Running")]

    def output(self, *_: str) -> str:
        said = ["Progress of shop.orders: 10 rows, 5%", "Reading …", "Progress of shop.orders: 90 rows, 45%"]
        lines = [f"23:00:00 tap-shop         | 2026-01-01 23:00:00,1 | INFO | tap | {each}" for each in said]
        return "\n".join([*lines, '{"__dagster_pipes_version": "0.1", "headwater/progress": "Progress of x: 1"}'])


def test_a_load_that_takes_hours_says_how_far_it_has_come() -> None:
    """Nobody knows whether it hangs."""
    assert platform_status.progress_lines(Logs()) == ["  shop.orders: 90 rows, 45%"]  # type: ignore[arg-type]


def test_a_ready_workload_is_ok_and_shows_its_restarts() -> None:
    """A restarting pod that looks healthy."""
    running = pod(phase="Running", containerStatuses=[{"name": "c", "restartCount": 3, "state": {"running": {}}}])
    row = platform_status.parse_workload(deployment(1), [running], NOW)
    assert (row.state, row.restarts, row.age_s, row.healthy) == ("ok", 3, 3600.0, True)


def test_a_new_generation_that_is_not_rolled_out_is_not_ok() -> None:
    """`make up` that ends before the changed pods run."""
    assert not platform_status.parse_workload(deployment(1, generation=2), [], NOW).healthy


def test_an_image_that_cannot_be_pulled_is_named() -> None:
    """ "0/1" without the reason."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    broken = pod(phase="Pending", containerStatuses=[{"name": "c", "restartCount": 0, "state": waiting}])
    row = platform_status.parse_workload(deployment(0), [broken], NOW)
    assert row.state == "ImagePullBackOff: not found"


def test_a_job_that_succeeded_is_done_and_one_that_failed_says_so() -> None:
    """`make up` waiting for ever for a Job."""
    meta = {"name": "seed", "namespace": "petco", "creationTimestamp": "2026-01-01T11:00:00Z"}
    job: dict[str, Any] = {"kind": "Job", "metadata": meta, "spec": {}, "status": {"succeeded": 1}}
    assert platform_status.parse_workload(job, [], NOW).state == "done"
    job["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
    assert platform_status.parse_workload(job, [], NOW).state == "BackoffLimitExceeded"


def test_the_table_lines_up() -> None:
    """Columns that move with long names."""
    row = platform_status.Workload("headwater", "Deployment", "trino", 1, 1, "ok", 0, 90)
    run = platform_status.Workload("headwater", "Job", "ingestion-salesforce-7a047c9a-c472", 1, 1, "ok", 0, 90)
    header, line, longer = platform_status.render_workloads([row, run])
    assert line.index(" ok") + 1 == longer.index(" ok") + 1 == header.index("STATE")
    assert "deployment/trino" in line
    assert "1 min 30 s" in line


def test_components_are_found_by_name_and_by_part() -> None:
    """`make logs c=dagster-daemon` that shows the webserver's."""
    found = platform_status.components([pod()])
    assert sorted(found) == ["dagster", "dagster-daemon"]
    assert found["dagster-daemon"][1] == "app.kubernetes.io/name=dagster,app.kubernetes.io/component=daemon"


def test_a_failed_run_is_shown_with_its_error_and_the_age_of_the_good_data() -> None:
    """A red pipeline that nobody sees."""
    failed = pipeline.Run("f", "FAILURE", NOW - 60, NOW - 55, NOW - 30)
    good = pipeline.Run("g", "SUCCESS", NOW - 7200, NOW - 7200, NOW - 7000)
    lines = platform_status.render_run(failed, good, ["raw__orders: no route"], NOW)
    assert lines == [
        "Pipeline: failure, took 25 s, started 1 min 00 s ago (run f)",
        "  error: raw__orders: no route",
        "Data:     1 h 56 min old (end of the last successful run)",
    ]
    assert platform_status.render_run(None, None, [], NOW) == ["Pipeline: never run; `make run` starts it"]


def test_progress_of_a_run() -> None:
    """A count that runs past its total."""
    stats = [
        {"stepKey": "a", "status": "SUCCESS", "startTime": 1.0, "endTime": 3.5},
        {"stepKey": "b", "status": "IN_PROGRESS", "startTime": 2.0, "endTime": None},
        {"stepKey": "c", "status": "FAILURE", "startTime": 2.0, "endTime": 3.0},
    ]
    plan = {"steps": [{"key": key} for key in "abcd"]}
    progress = pipeline.parse_progress({"executionPlan": plan, "stepStats": stats})
    assert progress.text() == "1 of 4 steps done; running: b; failed: c"
    assert progress.seconds[0] == ("a", 2.5)
    assert pipeline.parse_progress({"executionPlan": None, "stepStats": []}).text() == "0 of 0 steps done"


def test_the_innermost_cause_of_each_failed_step_is_the_error() -> None:
    """Dagster's wrapper ("Error occurred while executing op") instead of the cause."""
    events: list[dict[str, Any]] = [
        {"__typename": "EngineEvent"},
        {
            "__typename": "ExecutionStepFailureEvent",
            "stepKey": "raw__orders",
            "error": {"message": "DagsterExecutionStepExecutionError: x", "cause": {"message": "no\n route"}},
        },
        {"__typename": "RunFailureEvent", "message": "Run failed", "error": None},
    ]
    assert pipeline.parse_errors(events) == ["raw__orders: no route"]
    assert pipeline.parse_errors(events[2:]) == ["Run failed"]


def test_an_answer_that_is_an_error_raises_with_its_text() -> None:
    """A KeyError instead of Dagster's own words."""
    for reply in (
        {"data": {"launchRun": {"__typename": "PythonError", "message": "boom"}}},
        {"data": {"launchRun": {"__typename": "RunConfigValidationInvalid", "errors": [{"message": "boom"}]}}},
        {"errors": [{"message": "boom"}]},
    ):
        with pytest.raises(LocalError, match="boom"):
            pipeline.unwrap(reply, "launchRun", "LaunchRunSuccess")


def test_a_one_off_job_keeps_the_templates_pod_and_changes_only_what_it_runs() -> None:
    """A writer without its secret, or a template that the command changed for good."""
    container = {"name": "c", "image": "i", "args": ["x"], "env": [{"name": "A"}]}
    template = {"spec": {"template": {"spec": {"containers": [container], "restartPolicy": "OnFailure"}}}}
    cronjob = {"metadata": {"namespace": "petco"}, "spec": {"jobTemplate": template}}
    made = jobs.from_cronjob(cronjob, "shop-live-1", ["python"], ["-m", "petco"])
    ran = made["spec"]["template"]["spec"]["containers"][0]
    assert ran == {"name": "c", "image": "i", "env": [{"name": "A"}], "command": ["python"], "args": ["-m", "petco"]}
    assert made["spec"]["backoffLimit"] == 0
    assert container["args"] == ["x"]


def test_exit_status_of_a_job_passes_through() -> None:
    """`make meltano` that succeeds when meltano failed."""
    assert jobs.exit_code(pod(containerStatuses=[{"state": {"terminated": {"exitCode": 3}}}])) == 3
    assert jobs.exit_code(pod()) is None


def test_a_pod_that_admission_refuses_is_explained() -> None:
    """Three minutes of "no pod was made"."""
    events = [{"reason": "SuccessfulCreate"}, {"reason": "FailedCreate", "message": "violates PodSecurity"}]
    assert jobs.creation_error(events) == "violates PodSecurity"
    assert jobs.creation_error(events[:1]) is None


def test_a_forwarded_port_goes_on_after_thousands_of_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kubectl that stops because nobody reads what it says: `make run` and `make open` that hang after an hour."""
    said = tmp_path / "said"
    os.mkfifo(said)
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(
        "#!/bin/sh\necho 'Forwarding from 127.0.0.1:4711 -> 80'\n"
        f"yes 'Handling connection for 4711' | head -n 10000\necho done > {said}\nexec sleep 60\n"
    )
    kubectl.chmod(0o755)
    home = Home(tmp_path)
    here = endpoints.load("dev", {})
    with forward.port_forward(kube.Kube(home, here), here.endpoint("trino")) as port:
        assert port == 4711
        reader = os.open(said, os.O_RDONLY | os.O_NONBLOCK)
        ready, _, _ = select.select([reader], [], [], 30)
        assert ready, "kubectl still waits for a reader"
        os.close(reader)


def tried(run_id: str, status: str, **tags: str) -> dict[str, Any]:
    """A run as Dagster shows it; tags: without their prefix."""
    times = {"creationTime": NOW, "startTime": NOW, "endTime": NOW}
    told = [{"key": f"dagster/{name}", "value": value} for name, value in tags.items()]
    return {"__typename": "Run", "runId": run_id, "status": status, **times, "executionPlan": None, "stepStats": [],
            "tags": told}  # fmt: skip


def test_a_run_that_dagster_makes_again_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make run` that reports a failure, while the platform heals itself of a lost pod."""
    answers = [
        tried("a", "STARTED"),
        tried("a", "FAILURE", will_retry="true"),
        tried("a", "FAILURE", will_retry="true", auto_retry_run_id="b"),
        tried("b", "SUCCESS"),
    ]
    asked: list[str] = []

    def query(_self: pipeline.Dagster, _text: str, **variables: str) -> dict[str, Any]:
        asked.append(variables["id"])
        return {"data": {"runOrError": answers.pop(0)}}

    monkeypatch.setattr(pipeline.Dagster, "query", query)
    monkeypatch.setattr(pipeline, "POLL_S", 0)
    shown: list[str] = []
    run, _ = pipeline.Dagster("http://dagster").follow("a", shown.append)
    assert (run.run_id, asked) == ("b", ["a", "a", "a", "b"])
    assert "failure, and is run again" in shown[1]


def test_a_promise_to_run_again_that_is_not_kept_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make run` that waits for ever, because Dagster's daemon is down."""
    monkeypatch.setattr(pipeline, "POLL_S", 0)
    monkeypatch.setattr(pipeline, "RETRY_S", -1)
    failed = {"data": {"runOrError": tried("a", "FAILURE", will_retry="true")}}
    monkeypatch.setattr(pipeline.Dagster, "query", lambda *_, **__: failed)
    monkeypatch.setattr(pipeline.Dagster, "errors", lambda *_: ["the pod was lost"])
    with pytest.raises(LocalError, match="the pod was lost"):
        pipeline.Dagster("http://dagster").follow("a", lambda _: None)
