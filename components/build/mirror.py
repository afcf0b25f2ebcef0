"""Copies of third-party images in the stack's own registry, for builds and nodes that reach no other."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker
import pulumi_docker_build as docker_build

from components.connections import Registry

FOLDER = "base"


def mirrored(
    base: str, source: str, registry: Registry, platforms: Sequence[str], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Copy the image `source` and return the copy's reference by digest: one index over all platforms.

    base: the build argument it stands for, which names the resources. source: a reference with a tag.
    """
    path, _, tag = source.partition(":")
    if not tag:
        raise ValueError(f"base image {base} is {source!r}; a mirrored image needs a tag")
    image = f"{FOLDER}/{path.rsplit('/', 1)[-1]}"
    repository, ready = registry.repository(image), list(registry.prepare(image))
    child = pulumi.ResourceOptions(parent=parent)
    digests = []
    for platform in platforms:
        machine = platform.rsplit("/", 1)[1]
        name, copy = f"{base}-{machine}", f"{repository}:{tag}-{machine}"
        pulled = docker.RemoteImage(f"{name}-pulled", name=source, platform=platform, keep_locally=True, opts=child)
        tagged = docker.Tag(f"{name}-tag", source_image=pulled.image_id, target_image=copy, opts=child)
        after = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[tagged, *ready]))
        pushed = docker.RegistryImage(f"{name}-copy", name=copy, keep_remotely=True, opts=after)
        digests.append(pulumi.Output.concat(repository, "@", pushed.sha256_digest))
    index = docker_build.Index(f"{base}-mirror", tag=f"{repository}:{tag}", sources=digests, push=True, opts=child)
    return index.ref
