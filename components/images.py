"""The images: what each is made of, and the two builders that make them, behind one interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
        ImageSpec("postgres", ("postgres",), ("DEBIAN_IMAGE",)),
        ImageSpec("minio", ("minio",), ("GO_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("catalog", ("catalog",), ("JAVA_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("trino", ("trino",), ("JAVA_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("sources", ("sources",), ("PYTHON_IMAGE",)),
        ImageSpec("ingestion", ("ingestion",), ("PYTHON_IMAGE",)),
        ImageSpec("orchestration", ("orchestration", "transformation"), ("PYTHON_IMAGE",)),
        ImageSpec("dashboards", ("dashboards",), ("PYTHON_IMAGE",)),
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

        repository = self._args.registry.repository(spec.name)
        arguments = self._arguments(spec)
        tag = context.content_hash(f"{spec.name}/Dockerfile", spec.directories, arguments)[:16]
        image = docker.Image(
            spec.name,
            context=docker.BuildContextArgs(location=str(context.ROOT)),
            dockerfile=docker.DockerfileArgs(location=str(context.ROOT / spec.name / "Dockerfile")),
            build_args=arguments,
            platforms=[docker.Platform.LINUX_AMD64],
            tags=[f"{repository}:{tag}"],
            push=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return image.digest.apply(lambda digest: f"{repository}@{digest}")
