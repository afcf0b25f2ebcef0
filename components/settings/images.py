"""Settings of the container images: what builds them, on which bases, and where they go."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from components.settings.base import AbsolutePath, Allowed, Model

BaseImage = Literal["PYTHON_IMAGE", "JAVA_IMAGE", "DEBIAN_IMAGE", "GO_IMAGE"]


def _by_digest(image: str) -> str:
    # A tag may move: what an image is made of would change without anybody's doing.
    if re.fullmatch(r"[^@\s]+@sha256:[0-9a-f]{64}", image) is None:
        raise ValueError(
            "a base image is named by its digest, host/name@sha256:…, which "
            "`docker buildx imagetools inspect` or `skopeo inspect` tells"
        )
    return image


ByDigest = Annotated[str, AfterValidator(_by_digest), Allowed("host/name@sha256:…")]
Platform = Literal["linux/amd64", "linux/arm64"]
# In place of a registry's host: Amazon ECR in the stack's account.
ECR = "ecr"


class Images(Model):
    """The container images: who builds them, on what, and where they go."""

    builder: Literal["auto", "buildah", "docker"] = Field(
        default="auto", description="What builds them. `auto` takes Docker where its daemon answers, else buildah."
    )
    registry: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?$"), Allowed("host, host:port or ecr")] = Field(
        default="127.0.0.1:5000",
        description="The registry that they are pushed to. `ecr` is Amazon ECR in the stack's account.",
    )
    base_images: dict[BaseImage, ByDigest] = Field(
        default_factory=dict,
        description="Base images of your own, by the name of the build argument. Others are those of "
        "pipeline_code/bases.toml.",
    )
    platforms: list[Platform] = Field(
        default=["linux/amd64"], min_length=1, description="What images are built for: the processors of the nodes."
    )

    mirror: bool = Field(
        default=False,
        description="Whether the base images are copied into the registry, and images built on the copies: for builds "
        "that reach no other registry. Needs `builder: docker`.",
    )
    build_trust: AbsolutePath | None = Field(
        default=None,
        description="A folder of CA certificates that builds see in place of their own, for networks with a proxy that "
        "signs TLS anew. No image keeps it. Not set: the base image's own.",
    )

    @field_validator("platforms")
    @classmethod
    def _each_once(cls, value: list[Platform]) -> list[Platform]:
        if len(set(value)) != len(value):
            raise ValueError("each platform once")
        return value
