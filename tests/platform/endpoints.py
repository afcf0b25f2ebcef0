"""Where the running platform answers, and the small clients that its tests share."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import psycopg

TERMINAL = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True)
class Endpoints:
    """Addresses on this machine; each can be set by a variable, to test a platform that listens elsewhere."""

    superset: str
    dagster: str
    trino_host: str
    trino_port: int
    shop_host: str
    shop_port: int
    marts_schema: str


def endpoints_from(environment: Mapping[str, str]) -> Endpoints:
    """Read HEADWATER_{SUPERSET,DAGSTER}_URL, HEADWATER_{TRINO,SHOP}_{HOST,PORT} and HEADWATER_MARTS_SCHEMA."""
    return Endpoints(
        superset=environment.get("HEADWATER_SUPERSET_URL", "http://127.0.0.1:30088"),
        dagster=environment.get("HEADWATER_DAGSTER_URL", "http://127.0.0.1:30070"),
        trino_host=environment.get("HEADWATER_TRINO_HOST", "127.0.0.1"),
        trino_port=int(environment.get("HEADWATER_TRINO_PORT", "30080")),
        shop_host=environment.get("HEADWATER_SHOP_HOST", "127.0.0.1"),
        shop_port=int(environment.get("HEADWATER_SHOP_PORT", "30432")),
        marts_schema=environment.get("HEADWATER_MARTS_SCHEMA", "marts"),
    )


@dataclass
class Database:
    """A Postgres connection that can be closed and opened again, for tests that stop the server in between."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    autocommit: bool

    def __post_init__(self) -> None:
        self.reconnect()

    def reconnect(self) -> None:
        """Open the connection anew; raises psycopg.OperationalError when the server does not answer in 30 s."""
        self._connection = psycopg.connect(
            host=self.host,
            port=self.port,
            dbname=self.name,
            user=self.user,
            password=self.password,
            autocommit=self.autocommit,
            connect_timeout=30,
        )

    def cursor(self) -> psycopg.Cursor[Any]:
        """Return a cursor, as DB-API has it."""
        return self._connection.cursor()

    def commit(self) -> None:
        """Commit what was done since the last commit."""
        self._connection.commit()

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        self._connection.close()


@dataclass(frozen=True)
class Dagster:
    """Dagster's GraphQL interface."""

    url: str

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """Return the data of a query or mutation; raises AssertionError with Dagster's own errors."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": text, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, f"Dagster: {json.dumps(answer['errors'])[:1500]}"
        return dict(answer["data"])

    def find_job(self, job: str) -> dict[str, str]:
        """Return the selector of the job with this name, whichever code location holds it."""
        nodes = self.query(
            "{ repositoriesOrError { __typename ... on PythonError { message } ... on RepositoryConnection"
            " { nodes { name location { name } jobs { name } } } } }"
        )["repositoriesOrError"]
        assert nodes["__typename"] == "RepositoryConnection", f"Dagster: {nodes.get('message')}"
        for node in nodes["nodes"]:
            if job in {known["name"] for known in node["jobs"]}:
                return {
                    "repositoryName": node["name"],
                    "repositoryLocationName": node["location"]["name"],
                    "jobName": job,
                }
        raise AssertionError(f"Dagster has no job {job}; its code locations: {nodes['nodes']}")

    def run_job(self, job: str, timeout_s: float = 900) -> dict[str, Any]:
        """Launch the job, wait for its end and return the run; raises AssertionError unless it succeeds in time."""
        return self.wait(self.launch(job), timeout_s)

    def launch(self, job: str, tags: Mapping[str, str] = MappingProxyType({})) -> str:
        """Launch the job, its run with these tags, and return the run's id."""
        launched = self.query(
            "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename"
            " ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }"
            " ... on RunConfigValidationInvalid { errors { message } } } }",
            p={
                "selector": self.find_job(job),
                "runConfigData": {},
                "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
            },
        )["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", f"{job} was not launched: {launched}"
        return str(launched["run"]["runId"])

    def wait(self, run_id: str, timeout_s: float = 900) -> dict[str, Any]:
        """Wait for the end of a run and return it; raises AssertionError unless it succeeds in time."""
        deadline = time.monotonic() + timeout_s
        while (run := self._run(run_id))["status"] not in TERMINAL:
            assert time.monotonic() < deadline, (
                f"run {run_id} is {run['status']} after {timeout_s:.0f} s: {self.url}/runs/{run_id}"
            )
            time.sleep(2)
        assert run["status"] == "SUCCESS", f"run {run_id}: {run['status']}\n{self._errors(run_id)}"
        return run

    def retry_of(self, run_id: str) -> str:
        """Return the id of the run that Dagster made of a failed run by itself; raises LookupError before it did."""
        runs = self.query(
            "query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { runId } } } }",
            f={"tags": [{"key": "dagster/parent_run_id", "value": run_id}]},
        )["runsOrError"]["results"]
        if not runs:
            raise LookupError(f"nothing was made of run {run_id}, which is {self._run(run_id)['status']}")
        return str(runs[0]["runId"])

    def built(self, run_id: str) -> dict[str, bool]:
        """Return the models that a run brought up to date (schema/name), and whether each was built for that."""
        found = self.query(
            "query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename"
            " ... on MaterializationEvent { assetKey { path } metadataEntries { label"
            " ... on BoolMetadataEntry { boolValue } } } } } } }",
            id=run_id,
        )["logsForRun"]
        events = [event for event in found["events"] if event["__typename"] == "MaterializationEvent"]
        return {
            "/".join(event["assetKey"]["path"]): not any(
                entry["label"] == "built" and entry["boolValue"] is False for entry in event["metadataEntries"]
            )
            for event in events
            if event["assetKey"]["path"][0] != "raw"
        }

    def _run(self, run_id: str) -> dict[str, Any]:
        found = self.query(
            "query($id: ID!) { runOrError(runId: $id) { __typename ... on Run"
            " { runId status startTime endTime stepStats { stepKey status startTime endTime } } } }",
            id=run_id,
        )["runOrError"]
        assert found["__typename"] == "Run", f"Dagster lost run {run_id}: {found}"
        return dict(found)

    def _errors(self, run_id: str) -> str:
        found = self.query(
            "query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename"
            " ... on ExecutionStepFailureEvent { stepKey error { message } }"
            " ... on RunFailureEvent { message error { message } } } } } }",
            id=run_id,
        )["logsForRun"]
        events = [event for event in found.get("events", []) if event.get("error") or event.get("message")]
        return "\n".join(f"{e.get('stepKey', 'run')}: {e.get('message') or e['error']['message']}" for e in events)
