"""Copies of third-party images in the stack's own registry, for builds and nodes that can reach no other."""

from __future__ import annotations

import pulumi
import pulumi_docker_build as docker_build

from components.connections import Registry
from components.images.context import TAG_PREFIX, short

FOLDER = "base"


def mirrored(argument: str, source: str, registry: Registry, parent: pulumi.Resource) -> tuple[str, pulumi.Resource]:
    """Copy the image `source` with all its platforms; return the copy by digest, and what must be there before its use.

    argument: the build argument it stands for, which names the resource. source: `host/path@sha256:…`. An index is
    copied byte for byte, so the copy has the source's digest; its tag comes from the digest too, and never moves.
    """
    path, _, digest = source.partition("@")
    image = f"{FOLDER}/{path.rsplit('/', 1)[-1]}"
    repository, ready = registry.repository(image), list(registry.prepare(image))
    copy = docker_build.Index(
        f"{argument}-mirror",
        tag=f"{repository}:{TAG_PREFIX}{short(digest)}",
        sources=[source],
        push=True,
        # Whatever was built on an older copy can still be built.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=ready, retain_on_delete=True),
    )
    return f"{repository}@{digest}", copy
