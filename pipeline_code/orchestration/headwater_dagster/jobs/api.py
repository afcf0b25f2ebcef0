"""The few calls of the Kubernetes API that running a Job needs, with plain dictionaries in and out."""

import functools
from collections.abc import Iterator
from typing import Any, Protocol

from headwater_dagster.jobs.manifest import Manifest

WATCH_SECONDS = 5
NOT_FOUND = 404


class JobApi(Protocol):
    """What `headwater_dagster.jobs.run` asks of a cluster, in one namespace."""

    namespace: str

    def cron_job(self, name: str) -> Manifest | None:
        """Return the CronJob, None if there is none."""
        ...

    def create_job(self, manifest: Manifest) -> None:
        """Create the Job."""
        ...

    def delete_job(self, name: str) -> None:
        """Delete the Job and its pods; no error if it is gone."""
        ...

    def active_jobs(self, selector: str) -> list[Manifest]:
        """Return the Jobs with these labels that have not ended."""
        ...

    def pods(self, job: str) -> Iterator[Manifest | None]:
        """Yield the Job's pod at every change, and what is known (None: no pod yet) every few seconds."""
        ...

    def log_lines(self, pod: str) -> Iterator[str]:
        """Yield the lines of the pod's log until its container ends."""
        ...

    def events(self, name: str) -> list[str]:
        """Return what the cluster said about the object of that name, oldest first."""
        ...


class KubernetesJobApi:
    """`JobApi` over the official client. The client's import costs 2.6 CPU-s: only a run pays it."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    @functools.cached_property
    def _kubernetes(self) -> Any:
        import kubernetes

        try:
            kubernetes.config.load_incluster_config()
        except kubernetes.config.ConfigException:
            kubernetes.config.load_kube_config()
        return kubernetes

    @functools.cached_property
    def _core(self) -> Any:
        return self._kubernetes.client.CoreV1Api()

    @functools.cached_property
    def _batch(self) -> Any:
        return self._kubernetes.client.BatchV1Api()

    def _plain(self, model: Any) -> Manifest:
        plain: Manifest = self._core.api_client.sanitize_for_serialization(model)
        return plain

    def cron_job(self, name: str) -> Manifest | None:
        """Return the CronJob, None if there is none."""
        try:
            return self._plain(self._batch.read_namespaced_cron_job(name, self.namespace))
        except self._kubernetes.client.ApiException as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def create_job(self, manifest: Manifest) -> None:
        """Create the Job."""
        self._batch.create_namespaced_job(self.namespace, manifest)

    def delete_job(self, name: str) -> None:
        """Delete the Job and its pods; no error if it is gone."""
        try:
            self._batch.delete_namespaced_job(name, self.namespace, propagation_policy="Background")
        except self._kubernetes.client.ApiException as error:
            if error.status != NOT_FOUND:
                raise

    def active_jobs(self, selector: str) -> list[Manifest]:
        """Return the Jobs with these labels that have not ended."""
        jobs = self._batch.list_namespaced_job(self.namespace, label_selector=selector).items
        return [self._plain(job) for job in jobs if not _has_ended(self._plain(job))]

    def pods(self, job: str) -> Iterator[Manifest | None]:
        """Yield the Job's pod at every change, and what is known (None: no pod yet) every few seconds."""
        selector = f"batch.kubernetes.io/job-name={job}"
        while True:
            known = None
            watch = self._kubernetes.watch.Watch()
            for event in watch.stream(
                self._core.list_namespaced_pod, self.namespace, label_selector=selector, timeout_seconds=WATCH_SECONDS
            ):
                known = None if event["type"] == "DELETED" else self._plain(event["object"])
                yield known
            yield known

    def log_lines(self, pod: str) -> Iterator[str]:
        """Yield the lines of the pod's log until its container ends.

        A stream that breaks off is opened again and goes on after the last line seen, by the lines' time stamps.
        """
        last, again = "", False
        while True:
            since = {"since_seconds": 3600} if again else {}
            try:
                for line in self._log_stream(pod, since):
                    stamp, _, text = line.partition(" ")
                    if again and stamp <= last:
                        continue
                    last = stamp
                    yield text
            except self._kubernetes.client.ApiException as error:
                if error.status == NOT_FOUND:
                    return
                raise
            except ConnectionError:
                pass  # read on below
            if self._has_ended_soon(pod):
                return
            again = True

    def _has_ended_soon(self, pod: str) -> bool:
        """Whether the pod has ended or does so within a second: its log ends a little before its status says so."""
        for event in self._kubernetes.watch.Watch().stream(
            self._core.list_namespaced_pod, self.namespace, field_selector=f"metadata.name={pod}", timeout_seconds=1
        ):
            if event["type"] == "DELETED" or event["object"].status.phase in {"Succeeded", "Failed"}:
                return True
        return False

    def _log_stream(self, pod: str, since: dict[str, int]) -> Iterator[str]:
        import urllib3

        response = self._core.read_namespaced_pod_log(
            pod, self.namespace, follow=True, timestamps=True, _preload_content=False, **since
        )
        rest = b""
        try:
            for chunk in response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in lines)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(str(error)) from error
        finally:
            response.release_conn()
        if rest:
            yield rest.decode(errors="replace")

    def events(self, name: str) -> list[str]:
        """Return what the cluster said about the object of that name, oldest first."""
        found = self._core.list_namespaced_event(self.namespace, field_selector=f"involvedObject.name={name}").items
        return [f"{event.reason}: {event.message}" for event in found]


def _has_ended(job: Manifest) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(entry["type"] in {"Complete", "Failed"} and entry["status"] == "True" for entry in conditions)
