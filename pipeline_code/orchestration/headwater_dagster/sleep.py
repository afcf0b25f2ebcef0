"""Scales the platform's Deployments to zero for sleep, and back to their numbers on waking."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
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


def deployments(text: str) -> dict[str, int | None]:
    """Return name → number of the settings, None where they leave it to an autoscaler, from `superset=2 workers`."""
    pairs = (word.partition("=") for word in text.split())
    return {name: int(number) if number else None for name, _, number in pairs}


def sleep(scales: Scales, names: Iterable[str]) -> list[str]:
    """Scale the Deployments to nothing; return a line about each. What sleeps already keeps what is remembered of it.

    All numbers are written down before the first one is lost.
    """
    awake = {name: found for name in names if (found := scales.replicas(name)) is not None and found > 0}
    scales.remember(awake)
    for name in awake:
        scales.scale(name, 0)
    return [f"{name}: {awake[name]} -> 0" if name in awake else f"{name}: asleep, or not there" for name in names]


def wake(scales: Scales, wanted: Mapping[str, int | None]) -> list[str]:
    """Scale the Deployments to what the settings say, or else to what they had; return a line about each.

    What somebody woke before is left alone, unless it has fewer pods than the settings say.
    """
    known, lines = scales.remembered(), []
    for name, stated in wanted.items():
        found = scales.replicas(name)
        number = known.get(name, USUAL) if stated is None else stated
        if found == 0 or (found is not None and stated is not None and found < stated):
            scales.scale(name, number)
            lines.append(f"{name}: {found} -> {number}")
        else:
            lines.append(f"{name}: {'not there' if found is None else 'awake'}")
    return lines


def main(arguments: Sequence[str]) -> int:
    """Run the command; return the exit status."""
    if len(arguments) != 1 or arguments[0] not in {"sleep", "wake"}:
        print("usage: python -m headwater_dagster.sleep sleep|wake", file=sys.stderr)
        return 2
    scales = KubernetesScales(os.environ["HEADWATER_NAMESPACE"], os.environ["SLEEP_MEMORY"])
    wanted = deployments(os.environ["SLEEP_DEPLOYMENTS"])
    for line in sleep(scales, wanted) if arguments[0] == "sleep" else wake(scales, wanted):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
