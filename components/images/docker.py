"""Building an image with Docker: Pulumi's docker-build provider builds for each platform, pushes, joins and tags."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker_build as docker_build

from components.connections import Registry
from components.images import context


@dataclass(frozen=True)
class DockerBuild:
    """One image to build. directories: folders of pipeline_code/ in its context. arguments: base images, by digest."""

    name: str
    directories: Sequence[str]
    arguments: Mapping[str, str]
    platforms: Sequence[str]
    registry: Registry

    @property
    def repository(self) -> str:
        """Where it goes, without tag or digest."""
        return self.registry.repository(self.name)

    def tag(self, digests: Sequence[str]) -> str:
        """Return the tag of the built image: what it was built from, and what came out for each platform.

        A build of the same content that comes out otherwise (layers that were not kept, a package that is newer) has
        another tag. Under one tag it would be refused by a registry whose tags never move, until somebody deletes it.
        """
        content = context.content_hash(f"{self.name}/Dockerfile", self.directories, self.arguments, self.platforms)
        came_out = hashlib.sha256(" ".join(digests).encode()).hexdigest()
        return f"{self.repository}:{context.TAG_PREFIX}{content[:16]}-{came_out[:12]}"


def built(build: DockerBuild, opts: pulumi.ResourceOptions) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    """Build and push the image; return its reference by digest, and its tag.

    Raises pulumi.RunError for files with modes of this machine.
    """
    strange = context.strange_mode(build.directories)
    if strange is not None:
        raise pulumi.RunError(
            f"image {build.name}: {strange}, which Docker would copy into the image; files of Git have 0644 or 0755: "
            f"`chmod -R u=rwX,go=rX {context.PLACE}`, and umask 022 for the next checkout"
        )
    digests = pulumi.Output.all(*(_platform(build, each, opts).digest for each in build.platforms))
    index = docker_build.Index(
        f"{build.name}-tag",
        tag=digests.apply(build.tag),
        sources=digests.apply(lambda known: [f"{build.repository}@{digest}" for digest in known]),
        push=True,
        # A node may start what ran before; the repository's lifecycle takes old images away.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True)),
    )
    return index.ref.apply(lambda ref: _by_digest(build.repository, ref)), index.tag


def _platform(build: DockerBuild, platform: str, opts: pulumi.ResourceOptions) -> docker_build.Image:
    """Build for one platform: kept layers are of one platform, the provider says of several that they get lost."""
    machine = platform.rpartition("/")[2]
    pushed = docker_build.ExportRegistryArgs(names=[build.repository], push=True, push_by_digest=True)
    after = list(build.registry.prepare(build.name))
    return docker_build.Image(
        f"{build.name}-{machine}",
        context=docker_build.BuildContextArgs(location=context.PLACE),
        dockerfile=docker_build.DockerfileArgs(location=f"{context.PLACE}/{build.name}/Dockerfile"),
        build_args=dict(build.arguments),
        platforms=[docker_build.Platform(platform)],
        exports=[docker_build.ExportArgs(registry=pushed)],
        push=False,
        # None at all, and not left out: a refresh writes down an empty list, and would find a change.
        tags=[],
        # A preview builds nothing and pushes nothing: who previews may not be allowed to.
        build_on_preview=False,
        **_cache(build, machine),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=after)),
    )


def _cache(build: DockerBuild, machine: str) -> dict[str, Any]:
    """Return where docker-build keeps layers between machines. ECR takes them only as an image of its own kind."""
    if build.registry.cache_tag is None:
        return {}
    place = f"{build.repository}:{build.registry.cache_tag}-{machine}"
    kept = docker_build.CacheToRegistryArgs(
        ref=place, mode=docker_build.CacheMode.MAX, image_manifest=True, oci_media_types=True
    )
    return {
        "cache_from": [docker_build.CacheFromArgs(registry=docker_build.CacheFromRegistryArgs(ref=place))],
        "cache_to": [docker_build.CacheToArgs(registry=kept)],
    }


def _by_digest(repository: str, ref: str) -> str:
    _, found, digest = ref.partition("@")
    if not found and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(f"the registry says no digest of {ref}; `docker login` to it, then run this again")
    return f"{repository}@{digest}" if found else ref
