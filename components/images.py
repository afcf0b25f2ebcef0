"""The images: what each is made of, and the two builders that make them, behind one interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components import settings
from components.build import context
from components.build.provider import BuildahImage
from components.connections import Registry

PREFIX = "headwater"


@dataclass(frozen=True)
class ImageSpec:
    """One image: its folders below pipeline_code/ (the first has the Dockerfile) and the base images it takes."""

    name: str
    directories: tuple[str, ...]
    bases: tuple[str, ...]


SPECS = {
    spec.name: spec
    for spec in (
        ImageSpec("database", ("database",), ("PYTHON_IMAGE",)),
        ImageSpec("postgres", ("postgres",), ("DEBIAN_IMAGE",)),
        ImageSpec("minio", ("minio",), ("GO_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("catalog", ("catalog",), ("JAVA_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("trino", ("trino",), ("JAVA_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("sources", ("sources",), ("PYTHON_IMAGE",)),
        ImageSpec("ingestion", ("ingestion",), ("PYTHON_IMAGE",)),
        # The contracts of the streams and their reader, not the taps: a changed tap rolls no code location.
        ImageSpec(
            "orchestration",
            ("orchestration", "transformation", "ingestion/contracts", "ingestion/packages/headwater-contracts"),
            ("PYTHON_IMAGE",),
        ),
        ImageSpec("dashboards", ("dashboards",), ("PYTHON_IMAGE",)),
        ImageSpec("cache", ("cache",), ("DEBIAN_IMAGE",)),
    )
}


@dataclass(frozen=True)
class ImagesArgs:
    """registry: where the images go. settings: who builds them, and on which bases."""

    registry: Registry
    settings: settings.Images


class Images(pulumi.ComponentResource):
    """Builds images on demand; `reference(name)` is an immutable `host/prefix/name@sha256:…`."""

    def __init__(self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:images:Images", name, None, opts)
        self._args = args
        self._references: dict[str, pulumi.Output[str]] = {}
        self._mirrors: dict[str, pulumi.Output[str]] = {}
        self._build = {"buildah": self._buildah, "docker": self._docker}[args.settings.builder]
        self.register_outputs({})

    def reference(self, name: str) -> pulumi.Output[str]:
        """Return the image's reference by digest; the first call declares its build."""
        if name not in self._references:
            self._references[name] = self._build(SPECS[name])
        return self._references[name]

    def _arguments(self, spec: ImageSpec) -> dict[str, str]:
        # Where no base is set, the Dockerfile's default holds.
        bases: Mapping[str, str] = {str(base): image for base, image in self._args.settings.base_images.items()}
        return {base: bases[base] for base in spec.bases if base in bases}

    def _buildah(self, spec: ImageSpec) -> pulumi.Output[str]:
        registry = self._args.registry
        arguments = self._arguments(spec)
        image = BuildahImage(
            spec.name,
            {
                "image": spec.name,
                "host": registry.host,
                "repository": f"{registry.prefix}/{spec.name}",
                "insecure": registry.insecure,
                "directories": list(spec.directories),
                "arguments": arguments,
                "trust": self._args.settings.build_trust,
                "content_hash": context.content_hash(f"{spec.name}/Dockerfile", spec.directories, arguments),
            },
            pulumi.ResourceOptions(parent=self),
        )
        return image.reference

    def _docker(self, spec: ImageSpec) -> pulumi.Output[str]:
        # Imported here: a stack that builds with buildah needs neither the package nor its plugin.
        import pulumi_docker_build as docker

        registry = self._args.registry
        repository = registry.repository(spec.name)
        arguments = self._arguments(spec)
        tag = context.content_hash(f"{spec.name}/Dockerfile", spec.directories, arguments)[:16]
        ready = list(registry.prepare(spec.name))
        image = docker.Image(
            spec.name,
            context=docker.BuildContextArgs(location=str(context.ROOT)),
            dockerfile=docker.DockerfileArgs(location=str(context.ROOT / spec.name / "Dockerfile")),
            build_args={**arguments, **self._mirrored(spec, arguments)},
            platforms=[docker.Platform(platform) for platform in self._args.settings.platforms],
            tags=[f"{repository}:{tag}"],
            push=True,
            # A preview builds nothing and pushes nothing: who previews may not be allowed to.
            build_on_preview=False,
            **_cache(repository, registry.cache_tag),
            opts=pulumi.ResourceOptions(parent=self, depends_on=ready if ready else None),
        )
        return image.digest.apply(lambda digest: f"{repository}@{digest}")

    def _mirrored(self, spec: ImageSpec, arguments: Mapping[str, str]) -> dict[str, pulumi.Output[str]]:
        """Return build argument → copy of the base image in the stack's registry, where the stack wants copies."""
        if not self._args.settings.mirror:
            return {}
        from components.build.mirror import mirrored

        sources = {**context.default_bases(spec.name), **arguments}
        for base in spec.bases:
            if base not in self._mirrors:
                self._mirrors[base] = mirrored(
                    base, sources[base], self._args.registry, self._args.settings.platforms, self
                )
        return {base: self._mirrors[base] for base in spec.bases}


def _cache(repository: str, tag: str | None) -> dict[str, Any]:
    """Return where docker-build keeps layers between machines. ECR takes them only as an image of its own kind."""
    if tag is None:
        return {}
    import pulumi_docker_build as docker

    place = f"{repository}:{tag}"
    kept = docker.CacheToRegistryArgs(ref=place, mode=docker.CacheMode.MAX, image_manifest=True, oci_media_types=True)
    return {
        "cache_from": [docker.CacheFromArgs(registry=docker.CacheFromRegistryArgs(ref=place))],
        "cache_to": [docker.CacheToArgs(registry=kept)],
    }
