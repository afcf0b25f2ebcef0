"""What a container may do: only what it needs."""

from __future__ import annotations

import pulumi_kubernetes as k8s

UID = 10001


def pod_security() -> k8s.core.v1.PodSecurityContextArgs:
    """Return the pod's security context: user and group 10001, volumes of that group, the runtime's system calls."""
    return k8s.core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=UID,
        run_as_group=UID,
        fs_group=UID,
        # A volume of millions of files is walked once, when its owner is wrong, not at every start.
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security(read_only_root: bool = True) -> k8s.core.v1.SecurityContextArgs:
    """Return a container's security context: no capability, no new privileges, a root file system it can't write."""
    return k8s.core.v1.SecurityContextArgs(
        allow_privilege_escalation=False,
        privileged=False,
        read_only_root_filesystem=read_only_root,
        run_as_non_root=True,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
    )
