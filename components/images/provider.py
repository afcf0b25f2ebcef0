"""The dynamic resource of an image that buildah builds.

Pulumi stores the provider in the state as a reference to a module and a class, not as code: a change in the code of a
build changes no resource. STATE_MODULE is the name of that module (decision 0117).
"""

from __future__ import annotations

import sys
from typing import Any

import pulumi
from pulumi import dynamic

# By this name states know BuildahProvider. Like the type of a resource, it stays when files move.
STATE_MODULE = "components.build.provider"


class BuildahProvider(dynamic.ResourceProvider):
    """Create and update build and push; an image that the registry has lost is built again."""

    # Nothing in it is secret; the default would show every change of an image as a change of a secret.
    serialize_as_secret_always = False
    __module__ = STATE_MODULE

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Build and push; the id is the repository."""
        outputs = _build(props)
        return dynamic.CreateResult(id_=props["repository"], outs=outputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Build and push what changed; consumers see a new digest."""
        return dynamic.UpdateResult(outs=_build(_news))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Tell whether the content or its place changed, or the registry no longer has the digest."""
        moved = any(_olds.get(key) != _news.get(key) for key in ("content_hash", "host", "repository"))
        return dynamic.DiffResult(changes=moved or _lost(_olds))

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Return the state; without its digest when the registry has lost it, so that it is built again."""
        if _lost(props):
            props = {**props, "content_hash": "", "reference": ""}
        return dynamic.ReadResult(id_, props)


class BuildahImage(dynamic.Resource, module="headwater", name="BuildahImage"):
    """An image built by buildah. `reference`: host/repository@sha256:…"""

    reference: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(BuildahProvider(), name, {**props, "reference": None}, opts)


def _build(props: dict[str, Any]) -> dict[str, Any]:
    from components.images import buildah

    build = _from_properties(props)
    try:
        if build.content_hash != props["content_hash"]:
            raise buildah.BuildFailed(
                f"image {build.name}: its files changed since the program read them; run it again"
            )
        digest = buildah.build_and_push(build)
    except buildah.BuildFailed:
        # Pulumi shows the formatted exception; what failed is in its message, and none of these frames tells more.
        sys.tracebacklimit = 0
        raise
    return {**props, "reference": f"{build.host}/{build.repository}@{digest}"}


def _lost(props: dict[str, Any]) -> bool:
    from components.images import registry

    reference = props.get("reference")
    if not reference:
        return True
    try:
        found = registry.digest_of(
            props["host"], props["repository"], reference.split("@")[1], insecure=bool(props["insecure"])
        )
    except OSError:
        # Nobody can tell while the registry is down; a preview must not need it, and a build says it is down.
        return False
    return found is None


def _from_properties(props: dict[str, Any]) -> Any:
    from components.images.buildah import Build

    return Build(
        name=props["image"],
        host=props["host"],
        repository=props["repository"],
        directories=tuple(props["directories"]),
        arguments=dict(props["arguments"]),
        platforms=tuple(props["platforms"]),
        trust=props.get("trust"),
        insecure=bool(props["insecure"]),
    )
