"""Containers and pod templates: every workload's pods are made here, by pure functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.connections import Placement
from components.kubernetes.labels import Identity
from components.kubernetes.probes import Probes
from components.kubernetes.security import container_security, pod_security
from components.settings import Size


def requirements(size: Size) -> dict[str, dict[str, str]]:
    """Return requests and limits, as Kubernetes quantities.

    By default there is no CPU limit, on purpose: requests share a busy machine fairly, while a limit would leave idle
    cores unused and slow the start-up of the JVM and Python, which then fail their probes.
    """
    disk = {} if size.disk is None else {"ephemeral-storage": size.disk}
    cores = {} if size.cpu_limit is None else {"cpu": size.cpu_limit}
    return {
        "requests": {"cpu": size.cpu, "memory": size.memory, **disk},
        "limits": {**cores, "memory": size.memory_limit, **disk},
    }


@dataclass(frozen=True)
class SecretKey:
    """One key of a Kubernetes Secret."""

    secret: str
    key: str


@dataclass(frozen=True)
class Mount:
    """A volume and where it appears. Made by the functions below."""

    path: str
    volume: k8s.core.v1.VolumeArgs | None
    name: str
    read_only: bool = False
    sub_path: str | None = None


def scratch(path: str, name: str = "tmp", size_limit: str = "256Mi") -> Mount:
    """An empty folder that lives as long as the pod, up to `size_limit`."""
    volume = k8s.core.v1.VolumeArgs(name=name, empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit=size_limit))
    return Mount(path, volume, name)


def tmp(size_limit: str = "256Mi") -> Mount:
    """The pod's own /tmp: every container has one, because its root file system can't be written."""
    return scratch("/tmp", size_limit=size_limit)  # noqa: S108 - nobody else's


def secret_files(path: str, secret: str, keys: Sequence[str], name: str = "credentials") -> Mount:
    """The given keys of a Secret as files, readable by the pod's group only."""
    source = k8s.core.v1.SecretVolumeSourceArgs(
        secret_name=secret,
        default_mode=0o440,
        items=[k8s.core.v1.KeyToPathArgs(key=key, path=key) for key in keys],
    )
    return Mount(path, k8s.core.v1.VolumeArgs(name=name, secret=source), name, read_only=True)


def config_files(path: str, config_map: str, files: Mapping[str, str], name: str = "configuration") -> Mount:
    """A ConfigMap's keys as files: `files` maps each file's path below `path` to its key."""
    source = k8s.core.v1.ConfigMapVolumeSourceArgs(
        name=config_map,
        items=[k8s.core.v1.KeyToPathArgs(key=key, path=file) for file, key in sorted(files.items())],
    )
    return Mount(path, k8s.core.v1.VolumeArgs(name=name, config_map=source), name, read_only=True)


def claim(path: str, name: str = "data") -> Mount:
    """The volume that the StatefulSet's claim of that name provides."""
    return Mount(path, None, name)


@dataclass(frozen=True)
class Container:
    """One container, before it becomes Pulumi arguments. `ports` maps names to numbers."""

    name: str
    image: pulumi.Input[str]
    size: Size
    command: Sequence[str] | None = None
    args: Sequence[str] | None = None
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secret_environment: Mapping[str, SecretKey] = field(default_factory=dict)
    environment_from: Sequence[k8s.core.v1.EnvFromSourceArgs] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    probes: Probes | None = None
    read_only_root: bool = True
    # Run before the container is told to end, within the pod's grace period.
    pre_stop: Sequence[str] | None = None

    def arguments(self) -> k8s.core.v1.ContainerArgs:
        """Return the Pulumi arguments."""
        plain = [k8s.core.v1.EnvVarArgs(name=name, value=value) for name, value in self.environment.items()]
        secret = [
            k8s.core.v1.EnvVarArgs(
                name=name,
                value_from=k8s.core.v1.EnvVarSourceArgs(
                    secret_key_ref=k8s.core.v1.SecretKeySelectorArgs(name=source.secret, key=source.key)
                ),
            )
            for name, source in self.secret_environment.items()
        ]
        probes, asked = self.probes, requirements(self.size)
        return k8s.core.v1.ContainerArgs(
            name=self.name,
            image=self.image,
            command=None if self.command is None else list(self.command),
            args=None if self.args is None else list(self.args),
            env=[*plain, *secret] if plain or secret else None,
            env_from=list(self.environment_from) if self.environment_from else None,
            ports=[k8s.core.v1.ContainerPortArgs(name=n, container_port=p) for n, p in self.ports.items()]
            if self.ports
            else None,
            resources=k8s.core.v1.ResourceRequirementsArgs(requests=asked["requests"], limits=asked["limits"]),
            security_context=container_security(self.read_only_root),
            volume_mounts=[
                k8s.core.v1.VolumeMountArgs(
                    name=mount.name, mount_path=mount.path, read_only=mount.read_only or None, sub_path=mount.sub_path
                )
                for mount in self.mounts
            ]
            if self.mounts
            else None,
            startup_probe=None if probes is None else probes.startup(),
            readiness_probe=None if probes is None else probes.readiness(),
            liveness_probe=None if probes is None else probes.liveness(),
            lifecycle=None
            if self.pre_stop is None
            else k8s.core.v1.LifecycleArgs(
                pre_stop=k8s.core.v1.LifecycleHandlerArgs(exec_=k8s.core.v1.ExecActionArgs(command=list(self.pre_stop)))
            ),
        )


def tolerations(taints: Sequence[str]) -> list[k8s.core.v1.TolerationArgs]:
    """Return the Pulumi arguments for taints as `Placement` writes them."""
    arguments = []
    for taint in taints:
        label, _, effect = taint.partition(":")
        key, equals, value = label.partition("=")
        arguments.append(
            k8s.core.v1.TolerationArgs(
                key=key,
                operator="Equal" if equals else "Exists",
                value=value if equals else None,
                effect=effect if effect else None,
            )
        )
    return arguments


def apart(identity: Identity) -> list[k8s.core.v1.TopologySpreadConstraintArgs]:
    """Return the Pulumi arguments that keep a workload's pods apart."""
    return [
        k8s.core.v1.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            when_unsatisfiable="ScheduleAnyway",
            label_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=identity.selector),
        )
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def config_hash(*parts: object) -> str:
    """Return 16 hex digits that change when any of the parts (anything JSON can write) changes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def plain(arguments: Any) -> Any:
    """Return Pulumi's arguments as plain values, by the names that Kubernetes' Python client has for them.

    For those who make pods themselves. Raises TypeError for a value that is known only to a deployment.
    """
    if isinstance(arguments, pulumi.Output):
        raise TypeError("an output has no value before the deployment")
    if isinstance(arguments, Mapping):
        return {key: plain(value) for key, value in arguments.items()}
    if isinstance(arguments, list | tuple):
        return [plain(each) for each in arguments]
    return plain(vars(arguments)) if type(arguments).__module__.startswith("pulumi_kubernetes.") else arguments


def pod_template(
    identity: Identity,
    container: Container,
    *,
    service_account: pulumi.Input[str],
    configuration: pulumi.Input[str] | None = None,
    restart_policy: str | None = None,
    automount_token: bool = False,
    grace_seconds: int = 30,
    placement: Placement | None = None,
) -> k8s.core.v1.PodTemplateSpecArgs:
    """Return a pod template of one container.

    configuration: a hash of what the pod reads only at its start; a change of it replaces the pods.
    restart_policy: None for a server, OnFailure or Never for a Job. placement: None is any node without taints.
    """
    volumes = {mount.name: mount.volume for mount in container.mounts if mount.volume is not None}
    annotations = None if configuration is None else {"headwater/configuration-hash": configuration}
    return k8s.core.v1.PodTemplateSpecArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(labels=identity.labels, annotations=annotations),
        spec=k8s.core.v1.PodSpecArgs(
            service_account_name=service_account,
            automount_service_account_token=automount_token,
            enable_service_links=False,
            restart_policy=restart_policy,
            security_context=pod_security(),
            termination_grace_period_seconds=grace_seconds,
            containers=[container.arguments()],
            volumes=list(volumes.values()) if volumes else None,
            node_selector=dict(placement.labels) if placement is not None and placement.labels else None,
            tolerations=tolerations(placement.taints) if placement is not None and placement.taints else None,
            topology_spread_constraints=apart(identity) if placement is not None and placement.spread else None,
        ),
    )
