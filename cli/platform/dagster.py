"""The pipeline through Dagster's GraphQL: launch, follow, and say why a run failed."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localstack.errors import LocalError

JOB = "petco_pipeline"
RUNNING = {"QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING"}
POLL_S = 2.0
RETRY_S = 120.0
"""How long Dagster's daemon may take to start a run again that it has promised to; it looks every half a minute."""

_RUN_FIELDS = "runId status creationTime startTime endTime"
_RUNS = f"query Runs($filter: RunsFilter!, $limit: Int!) {{ runsOrError(filter: $filter, limit: $limit) {{ __typename ... on Runs {{ results {{ {_RUN_FIELDS} }} }} ... on PythonError {{ message }} ... on InvalidPipelineRunsFilterError {{ message }} }} }}"  # noqa: E501
_JOBS = "query { repositoriesOrError { __typename ... on RepositoryConnection { nodes { name location { name } jobs { name } } } ... on PythonError { message } } }"  # noqa: E501
_LAUNCH = "mutation Launch($parameters: ExecutionParams!) { launchRun(executionParams: $parameters) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on PipelineNotFoundError { message } ... on UnauthorizedError { message } ... on RunConfigValidationInvalid { errors { message } } } }"  # noqa: E501
_FOLLOW = f"query Run($id: ID!) {{ runOrError(runId: $id) {{ __typename ... on Run {{ {_RUN_FIELDS} executionPlan {{ steps {{ key }} }} stepStats {{ stepKey status startTime endTime }} tags {{ key value }} }} ... on RunNotFoundError {{ message }} ... on PythonError {{ message }} }} }}"  # noqa: E501
_ERRORS = "query Logs($id: ID!, $after: String) { logsForRun(runId: $id, afterCursor: $after, limit: 1000) { __typename ... on EventConnection { cursor hasMore events { __typename ... on ExecutionStepFailureEvent { stepKey error { message cause { message } } } ... on RunFailureEvent { message error { message } } } } ... on PythonError { message } } }"  # noqa: E501


@dataclass(frozen=True)
class Run:
    """One run of the pipeline; times are seconds since 1970, None while they have not come."""

    run_id: str
    status: str
    created: float
    started: float | None
    ended: float | None

    @property
    def running(self) -> bool:
        """Return whether the run has not ended yet."""
        return self.status in RUNNING

    def seconds(self, now: float) -> float:
        """Return how long the run took, or takes until `now`."""
        start = self.created if self.started is None else self.started
        return (now if self.ended is None else self.ended) - start


@dataclass(frozen=True)
class Progress:
    """Steps of a run: how many there are and ended, which run now, which failed.

    again: whether Dagster runs it once more, as where a run's pod was lost. next_run: that run, once it is there.
    """

    total: int
    done: int
    running: tuple[str, ...]
    failed: tuple[str, ...]
    seconds: tuple[tuple[str, float], ...]
    again: bool = False
    next_run: str | None = None

    def text(self) -> str:
        """Return e.g. `7 of 25 steps done; running: raw__orders`."""
        running = f"; running: {', '.join(self.running[:3])}" if self.running else ""
        failed = f"; failed: {', '.join(self.failed)}" if self.failed else ""
        return f"{self.done} of {self.total} steps done{running}{failed}"


def parse_run(fields: Mapping[str, Any]) -> Run:
    """Return the Run of a GraphQL object with `_RUN_FIELDS`."""
    return Run(fields["runId"], fields["status"], fields["creationTime"], fields["startTime"], fields["endTime"])


def parse_progress(fields: Mapping[str, Any]) -> Progress:
    """Return the Progress of a GraphQL run with `executionPlan` (null before it starts), `stepStats` and `tags`."""
    plan = fields.get("executionPlan")
    tags = {each["key"]: each["value"] for each in fields.get("tags", [])}
    stats = fields["stepStats"]
    ended = [stat for stat in stats if stat["endTime"] is not None]
    return Progress(
        total=len(stats) if plan is None else len(plan["steps"]),
        done=sum(1 for stat in stats if stat["status"] in {"SUCCESS", "SKIPPED"}),
        running=tuple(stat["stepKey"] for stat in stats if stat["status"] == "IN_PROGRESS"),
        failed=tuple(stat["stepKey"] for stat in stats if stat["status"] == "FAILURE"),
        seconds=tuple((stat["stepKey"], stat["endTime"] - stat["startTime"]) for stat in ended if stat["startTime"]),
        again=tags.get("dagster/will_retry") == "true",
        next_run=tags.get("dagster/auto_retry_run_id"),
    )


def parse_errors(events: list[dict[str, Any]]) -> list[str]:
    """Return one line for each failed step (its innermost cause), or the run's own failure when no step failed."""
    steps = []
    for event in events:
        error = event.get("error")
        if event["__typename"] != "ExecutionStepFailureEvent" or error is None:
            continue
        cause = error.get("cause")
        message = error["message"] if cause is None else cause["message"]
        steps.append(f"{event['stepKey']}: {' '.join(message.split())}")
    if steps:
        return steps
    failures = [event for event in events if event["__typename"] == "RunFailureEvent"]
    return [
        " ".join((event["message"] if event.get("error") is None else event["error"]["message"]).split())
        for event in failures
    ]


def unwrap(reply: Mapping[str, Any], name: str, success: str) -> dict[str, Any]:
    """Return the object `name` of a GraphQL reply when its type is `success`, else raise LocalError with its text."""
    if reply.get("errors"):
        raise LocalError(f"Dagster refused the query {name}: {reply['errors'][0]['message']}")
    result: dict[str, Any] = reply["data"][name]
    if result["__typename"] != success:
        details = [error["message"] for error in result.get("errors", [])]
        raise LocalError(f"Dagster answered {result['__typename']}: {result.get('message', '; '.join(details))}")
    return result


class Dagster:
    """Dagster's webserver at `url` (without a trailing slash)."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """Return the whole GraphQL reply. Raises LocalError when Dagster does not answer."""
        body = json.dumps({"query": text, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310 - http, loopback
            f"{self.url}/graphql", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                reply: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise LocalError(f"Dagster at {self.url} answered {error.code}: {error.read()[:500]!r}") from error
        except (OSError, ValueError) as error:
            raise LocalError(
                f"Dagster at {self.url} does not answer ({error}); `make logs c=dagster-webserver` may show why"
            ) from error
        return reply

    def runs(self, limit: int = 1, statuses: tuple[str, ...] = ()) -> list[Run]:
        """Return the newest runs of the pipeline, newest first."""
        chosen: dict[str, Any] = {"pipelineName": JOB}
        if statuses:
            chosen["statuses"] = list(statuses)
        reply = unwrap(self.query(_RUNS, filter=chosen, limit=limit), "runsOrError", "Runs")
        return [parse_run(fields) for fields in reply["results"]]

    def last(self, *statuses: str) -> Run | None:
        """Return the newest run (with one of `statuses`), or None."""
        found = self.runs(1, statuses)
        return found[0] if found else None

    def launch(self) -> str:
        """Start the pipeline and return the run's id. Raises LocalError when the code location lacks the job."""
        reply = unwrap(self.query(_JOBS), "repositoriesOrError", "RepositoryConnection")
        places = [node for node in reply["nodes"] if JOB in {job["name"] for job in node["jobs"]}]
        if not places:
            raise LocalError(f"Dagster has loaded no job {JOB}; `make logs c=dagster-code` shows why")
        selector = {
            "repositoryName": places[0]["name"],
            "repositoryLocationName": places[0]["location"]["name"],
            "jobName": JOB,
        }
        launched = self.query(_LAUNCH, parameters={"selector": selector, "runConfigData": {}, "mode": "default"})
        run_id: str = unwrap(launched, "launchRun", "LaunchRunSuccess")["run"]["runId"]
        return run_id

    def progress(self, run_id: str) -> tuple[Run, Progress]:
        """Return where a run is."""
        fields = unwrap(self.query(_FOLLOW, id=run_id), "runOrError", "Run")
        return parse_run(fields), parse_progress(fields)

    def errors(self, run_id: str) -> list[str]:
        """Return why a run failed, a line for each failed step."""
        events: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            page = unwrap(self.query(_ERRORS, id=run_id, after=after), "logsForRun", "EventConnection")
            events += page["events"]
            after = page["cursor"]
            if not page["hasMore"]:
                return parse_errors(events)

    def follow(self, run_id: str, show: Callable[[str], None]) -> tuple[Run, Progress]:
        """Wait for a run to end, and for the run that Dagster makes of it again, showing its progress.

        Raises LocalError with the errors of a run that failed.
        """
        shown = ""
        silent_since: float | None = None
        promised_since: float | None = None
        while True:
            try:
                run, progress = self.progress(run_id)
                silent_since = None
            except LocalError:
                # The webserver may be restarting; the run goes on without it.
                silent_since = time.monotonic() if silent_since is None else silent_since
                if time.monotonic() - silent_since > 60:
                    raise
                time.sleep(POLL_S)
                continue
            again = ", and is run again" if progress.again else ""
            text = f"{run.status.lower()}{again}: {progress.text()}"
            if text != shown:
                show(text)
                shown = text
            if progress.next_run is not None:
                return self.follow(progress.next_run, show)
            if run.status == "FAILURE" and progress.again:
                promised_since = time.monotonic() if promised_since is None else promised_since
                if time.monotonic() - promised_since > RETRY_S:
                    break
            elif not run.running:
                break
            time.sleep(POLL_S)
        if run.status != "SUCCESS":
            why = "\n    ".join(self.errors(run_id)) or "no error was recorded"
            raise LocalError(f"run {run_id} ended as {run.status}:\n    {why}\n    {self.url}/runs/{run_id}")
        return run, progress
