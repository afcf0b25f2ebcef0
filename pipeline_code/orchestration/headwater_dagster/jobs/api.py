"""The few calls of the Kubernetes API that running a Job needs, with plain dictionaries in and out."""

import functools
import time
from collections.abc import Iterator
from typing import Any, Protocol

from headwater_dagster.jobs.manifest import Manifest

WATCH_SECONDS = 5
NOT_FOUND, CONFLICT, GONE = 404, 409, 410
TRIES = 20
"""How often a call is sent anew, for some seven minutes in all: an API server that is replaced comes back."""
LONGEST_PAUSE_SECONDS = 30.0
BUSY = (429, 500, 502, 503, 504)
"""What an API server, or a load balancer before it, answers when it can't right now."""


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

    def jobs(self, selector: str) -> list[Manifest]:
        """Return the Jobs with these labels, oldest first; `has_ended` and `has_failed` tell how they are."""
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
    """`JobApi` over the official client. The client's import costs 2.6 CPU-s: only a run pays it.

    A server that does not answer, or is busy, is asked again for some minutes; then the client's error is raised.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    @functools.cached_property
    def _kubernetes(self) -> Any:
        import kubernetes

        try:
            kubernetes.config.load_incluster_config()
        except kubernetes.config.ConfigException:
            kubernetes.config.load_kube_config()
        configuration = kubernetes.client.Configuration.get_default_copy()
        configuration.retries = _retries()
        kubernetes.client.Configuration.set_default(configuration)
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
        """Create the Job. One of that name is this one: the answer to an earlier call was lost."""
        try:
            self._batch.create_namespaced_job(self.namespace, manifest)
        except self._kubernetes.client.ApiException as error:
            if error.status != CONFLICT:
                raise

    def delete_job(self, name: str) -> None:
        """Delete the Job and its pods; no error if it is gone."""
        try:
            self._batch.delete_namespaced_job(name, self.namespace, propagation_policy="Background")
        except self._kubernetes.client.ApiException as error:
            if error.status != NOT_FOUND:
                raise

    def jobs(self, selector: str) -> list[Manifest]:
        """Return the Jobs with these labels, oldest first."""
        found = self._batch.list_namespaced_job(self.namespace, label_selector=selector).items
        return sorted(map(self._plain, found), key=lambda job: str(job["metadata"].get("creationTimestamp", "")))

    def pods(self, job: str) -> Iterator[Manifest | None]:
        """Yield the Job's pod at every change, and what is known (None: no pod yet) every few seconds."""
        selector = f"batch.kubernetes.io/job-name={job}"
        while True:
            known = None
            for event in self._watched(label_selector=selector, timeout_seconds=WATCH_SECONDS):
                known = None if event["type"] == "DELETED" else self._plain(event["object"])
                yield known
            yield known

    def _watched(self, **which: Any) -> Iterator[Any]:
        """Yield the events of a watch of pods; one that breaks off is opened again, and tells all pods anew."""
        import urllib3

        while True:
            try:
                yield from self._kubernetes.watch.Watch().stream(
                    self._core.list_namespaced_pod, self.namespace, **which
                )
                return
            except urllib3.exceptions.MaxRetryError:
                raise
            except urllib3.exceptions.HTTPError:
                pass  # the connection was cut
            except self._kubernetes.client.ApiException as error:
                if error.status != GONE:
                    raise
            time.sleep(1)

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
        for event in self._watched(field_selector=f"metadata.name={pod}", timeout_seconds=1):
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


def has_ended(job: Manifest) -> bool:
    """Whether the Job is over, well or not."""
    return _is(job, "Complete") or has_failed(job)


def has_failed(job: Manifest) -> bool:
    """Whether the Job is over and did not do its work."""
    return _is(job, "Failed")


def _is(job: Manifest, condition: str) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(entry["type"] == condition and entry["status"] == "True" for entry in conditions)


def _retries() -> Any:
    """Return urllib3's rule for a server that does not answer or is busy. Every call here may be sent twice."""
    import urllib3

    return urllib3.Retry(
        total=TRIES,
        status_forcelist=BUSY,
        allowed_methods=None,
        backoff_factor=0.5,
        backoff_max=LONGEST_PAUSE_SECONDS,
        raise_on_status=False,
    )
