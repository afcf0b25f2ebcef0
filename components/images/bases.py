"""The public base images, each pinned by digest in pipeline_code/bases.toml; `make lock` updates them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.images.context import ROOT

FILE = ROOT / "bases.toml"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class BaseError(ValueError):
    """A base image is not pinned; the message says which, where, and what to run."""


@dataclass(frozen=True)
class Base:
    """A public image. argument: of the Dockerfiles. image: registry/path:tag. digest: of its index, None if unknown."""

    argument: str
    image: str
    digest: str | None

    @property
    def name(self) -> str:
        """The last part of the image with its tag, such as python:3.11-slim-bookworm."""
        return self.image.rsplit("/", 1)[-1]

    @property
    def reference(self) -> str:
        """The image by digest, `registry/path@sha256:…`. Raises BaseError where the digest is not known."""
        if self.digest is None:
            host = self.image.split("/", 1)[0]
            raise BaseError(
                f"pipeline_code/{FILE.name}: {self.argument} ({self.image}) has no digest. `make lock`, on a machine "
                f"that reaches {host}, writes it; or headwater:images.base_images names another image by digest"
            )
        return f"{self.image.rpartition(':')[0]}@{self.digest}"


def read(file: Path = FILE) -> dict[str, Base]:
    """Return the base images by build argument. Raises BaseError for a digest that is none."""
    found = {}
    for argument, table in tomllib.loads(file.read_text()).items():
        digest = table.get("digest")
        if digest is not None and not DIGEST.fullmatch(digest):
            raise BaseError(f"pipeline_code/{file.name}: {argument}.digest is {digest!r}; a digest is sha256:<64 hex>")
        found[argument] = Base(argument, table["image"], digest)
    return found


def renewed(text: str, digests: Mapping[str, str]) -> str:
    """Return the file's text with these digests (build argument → digest); the rest stays, comments too."""
    for argument, digest in digests.items():
        entry = re.compile(rf'^(\[{argument}\]\nimage = "[^"\n]+"\n)(?:digest = "[^"\n]*"\n)?', re.M)
        text, count = entry.subn(rf'\g<1>digest = "{digest}"\n', text)
        if count != 1:
            raise BaseError(f"pipeline_code/{FILE.name}: [{argument}] is not a section whose first line is its image")
    return text
