"""Puts the platform's Deployments to sleep, and wakes them to what they were.

`python -m headwater_dagster.sleep sleep` scales each to nothing and writes down how many pods it had; `… wake` brings
them back. Both may be repeated. In the environment: HEADWATER_NAMESPACE, SLEEP_DEPLOYMENTS, names with spaces between,
and SLEEP_MEMORY, the ConfigMap that remembers. The pod may do nothing else: it never sees what a Deployment runs.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol

NOT_FOUND = 404
# Of a Deployment that nobody put to sleep here.
USUAL = 1


class Scales(Protocol):
    """What sleeping asks of a cluster, in one namespace."""

    def replicas(self, name: str) -> int | None:
        """Return how many pods the Deployment is to have, None where there is no such Deployment."""
        ...

    def scale(self, name: str, replicas: int) -> None:
        """Let the Deployment have so many pods."""
        ...

    def remembered(self) -> dict[str, int]:
        """Return what each Deployment had before it was put to sleep."""
        ...

    def remember(self, replicas: dict[str, int]) -> None:
        """Write down what these Deployments have; what is known of others stays."""
        ...


class KubernetesScales:
    """`Scales` over the official client. memory: the name of the ConfigMap."""

    def __init__(self, namespace: str, memory: str) -> None:
        import kubernetes

        try:
            kubernetes.config.load_incluster_config()
        except kubernetes.config.ConfigException:
            kubernetes.config.load_kube_config()
        self._namespace, self._memory, self._missing = namespace, memory, kubernetes.client.ApiException
        self._apps, self._core = kubernetes.client.AppsV1Api(), kubernetes.client.CoreV1Api()

    def replicas(self, name: str) -> int | None:
        """Return how many pods the Deployment is to have, None where there is no such Deployment."""
        try:
            # A scale leaves out a number that is 0.
            spec = self._apps.read_namespaced_deployment_scale(name, self._namespace).spec
        except self._missing as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return 0 if spec is None or spec.replicas is None else int(spec.replicas)

    def scale(self, name: str, replicas: int) -> None:
        """Let the Deployment have so many pods."""
        body: dict[str, Any] = {"spec": {"replicas": replicas}}
        self._apps.patch_namespaced_deployment_scale(name, self._namespace, body)

    def remembered(self) -> dict[str, int]:
        """Return what each Deployment had before it was put to sleep."""
        data = self._core.read_namespaced_config_map(self._memory, self._namespace).data
        return {name: int(text) for name, text in (data if data is not None else {}).items()}

    def remember(self, replicas: dict[str, int]) -> None:
        """Write down what these Deployments have; what is known of others stays."""
        body = {"data": {name: str(number) for name, number in replicas.items()}}
        self._core.patch_namespaced_config_map(self._memory, self._namespace, body)


def sleep(scales: Scales, names: Sequence[str]) -> list[str]:
    """Scale the Deployments to nothing; return a line about each. What sleeps already keeps what is remembered of it.

    All numbers are written down before the first one is lost.
    """
    awake = {name: found for name in names if (found := scales.replicas(name)) is not None and found > 0}
    scales.remember(awake)
    for name in awake:
        scales.scale(name, 0)
    return [f"{name}: {awake[name]} -> 0" if name in awake else f"{name}: asleep, or not there" for name in names]


def wake(scales: Scales, names: Sequence[str]) -> list[str]:
    """Scale the Deployments to what they had; return a line about each. What somebody woke before is left alone."""
    known, lines = scales.remembered(), []
    for name in names:
        found = scales.replicas(name)
        if found == 0:
            wanted = known.get(name, USUAL)
            scales.scale(name, wanted)
            lines.append(f"{name}: 0 -> {wanted}")
        else:
            lines.append(f"{name}: {'not there' if found is None else 'awake'}")
    return lines


def main(arguments: Sequence[str]) -> int:
    """Run the command; return the exit status."""
    commands = {"sleep": sleep, "wake": wake}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("usage: python -m headwater_dagster.sleep sleep|wake", file=sys.stderr)
        return 2
    scales = KubernetesScales(os.environ["HEADWATER_NAMESPACE"], os.environ["SLEEP_MEMORY"])
    for line in commands[arguments[0]](scales, os.environ["SLEEP_DEPLOYMENTS"].split()):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
