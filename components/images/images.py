"""The images of a stack. One of the two builders builds each when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pulumi

from components import settings
from components.connections import Registry
from components.images import bases, context
from components.images.provider import BuildahImage
from components.images.specs import SPECS, ImageSpec

if TYPE_CHECKING:
    from components.images.served import Reader


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
        self._mirrors: dict[str, tuple[str, pulumi.Resource]] = {}
        self._build = {"buildah": self._buildah, "docker": self._docker}[args.settings.builder]
        self.register_outputs({})

    def reference(self, name: str) -> pulumi.Output[str]:
        """Return the image's reference by digest; the first call declares its build."""
        if name not in self._references:
            self._references[name] = self._build(SPECS[name])
        return self._references[name]

    def _arguments(self, spec: ImageSpec) -> dict[str, str]:
        """Return the base images by digest. Raises pulumi.RunError where one is not pinned."""
        chosen: Mapping[str, str] = {str(base): image for base, image in self._args.settings.base_images.items()}
        missing = [base for base in spec.bases if base not in chosen]
        try:
            pinned = {base: self._bases[base].reference for base in missing}
        except bases.BaseError as error:
            raise pulumi.RunError(f"image {spec.name}: {error}") from error
        known = {**pinned, **chosen}
        return {base: known[base] for base in spec.bases}

    @cached_property
    def _bases(self) -> dict[str, bases.Base]:
        return bases.read()

    def _buildah(self, spec: ImageSpec) -> pulumi.Output[str]:
        registry, platforms = self._args.registry, self._args.settings.platforms
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
                "platforms": list(platforms),
                "trust": self._args.settings.build_trust,
                "content_hash": context.content_hash(f"{spec.name}/Dockerfile", spec.directories, arguments, platforms),
            },
            pulumi.ResourceOptions(parent=self),
        )
        return image.reference

    def _docker(self, spec: ImageSpec) -> pulumi.Output[str]:
        # Imported here: a stack that builds with buildah needs neither the package nor its plugin.
        from components.images import docker

        registry, platforms = self._args.registry, self._args.settings.platforms
        arguments = self._arguments(spec)
        copies: list[pulumi.Resource] = []
        if self._args.settings.mirror:
            for base, source in arguments.items():
                arguments[base], copy = self._mirrored(base, source)
                copies.append(copy)
        opts = pulumi.ResourceOptions(parent=self, depends_on=copies)
        build = docker.DockerBuild(spec.name, spec.directories, arguments, platforms, registry)
        reference, tag = docker.built(build, opts)
        return reference if self._reader is None else self._reader.served(reference, tag, platforms)

    def _mirrored(self, base: str, source: str) -> tuple[str, pulumi.Resource]:
        from components.images.mirror import mirrored

        if base not in self._mirrors:
            self._mirrors[base] = mirrored(base, source, self._args.registry, self)
        return self._mirrors[base]

    @cached_property
    def _reader(self) -> Reader | None:
        if not self._args.registry.login:
            return None
        from components.images.served import Reader

        return Reader(self._args.registry, self)
