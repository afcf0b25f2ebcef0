"""Reads back what the registry serves, with Pulumi's docker provider, before any workload uses it."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker

from components.connections import Registry


class Reader:
    """Asks a registry that wants a login. It talks to no Docker daemon, and takes Docker's login for the registry.

    The login is in Docker's configuration (decision 0012): a token here would be in the state, another one every day.
    """

    def __init__(self, registry: Registry, parent: pulumi.Resource) -> None:
        self._provider = docker.Provider(
            "registry",
            # Without it Pulumi writes this machine's DOCKER_HOST down.
            host="unix:///var/run/docker.sock",
            disable_docker_daemon_check=True,
            registry_auth=[docker.ProviderRegistryAuthArgs(address=registry.host)],
            opts=pulumi.ResourceOptions(parent=parent),
        )

    def served(
        self, reference: pulumi.Output[str], tag: pulumi.Output[str], platforms: Sequence[str]
    ) -> pulumi.Output[str]:
        """Return the reference, once the registry has the tag for all platforms. A preview asks nobody.

        The output fails with pulumi.RunError where a platform is missing, or with the registry's answer.
        """
        if pulumi.runtime.is_dry_run():
            return reference
        found = docker.get_registry_image_manifests_output(
            name=tag, opts=pulumi.InvokeOutputOptions(provider=self._provider)
        )
        has = found.manifests.apply(lambda each: [f"{manifest.os}/{manifest.architecture}" for manifest in each])
        return pulumi.Output.all(reference, tag, has).apply(
            lambda known: _checked(known[0], known[1], known[2], platforms)
        )


def _checked(reference: str, tag: str, has: Sequence[str], platforms: Sequence[str]) -> str:
    missing = [each for each in platforms if each not in has]
    if missing:
        raise pulumi.RunError(
            f"{tag} has {', '.join(sorted(has))} and lacks {', '.join(missing)}, which headwater:images.platforms names"
        )
    return reference
