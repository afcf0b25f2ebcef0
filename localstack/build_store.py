"""The layers that builds leave in buildah's store, for later builds to reuse. Layers of older builds are removed.

No running workload needs them: the cluster pulls images from the registry, and an image that the registry has is not
built again.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from components.images.buildah import PARALLEL_BUILDS, store_options
from localstack.console import Step
from localstack.home import Home
from localstack.process import ask, output

KEPT_BUILDS = 2
"""Builds of each image whose layers stay: the present one, and the one before it for a change that is taken back."""


@dataclass(frozen=True)
class Built:
    """An image of the store. names: none for a stage of a build. made: when, in seconds since 1970."""

    id: str
    names: tuple[str, ...]
    made: float

    @property
    def repository(self) -> str | None:
        """What it is an image of; None for a stage, and for base images, which are not built here."""
        found = [name.rpartition(":")[0] for name in self.names if "/headwater/" in name]
        return found[0] if found else None


def superseded(images: Iterable[Built], keep: int = KEPT_BUILDS) -> list[Built]:
    """Return the images that none of the last `keep` builds of each repository has made, the oldest first."""
    ordered = sorted(images, key=lambda image: image.made)
    builds: dict[str, list[Built]] = defaultdict(list)
    for image in ordered:
        if image.repository is not None:
            builds[image.repository].append(image)
    old = {image.id for made in builds.values() for image in made[:-keep]}
    finished = [image for image in ordered if image.repository is not None]
    for image in ordered:
        if not image.names:
            # A stage is made before its image is, by one of the builds that ran at that moment.
            after = [each for each in finished if each.made >= image.made][:PARALLEL_BUILDS]
            if after and all(each.id in old for each in after):
                old.add(image.id)
    return [image for image in ordered if image.id in old]


def parse(listed: str, folder: Path) -> list[Built]:
    """Return the images of `buildah images --json --no-trunc`; `folder` is the store's of images.

    Reproducible images all say that they are of 1970: when one was made is when its folder was written.
    """
    found = []
    for each in json.loads(listed):
        number = each["id"].removeprefix("sha256:")
        place = folder / number
        if place.exists():
            found.append(Built(number, tuple(each.get("names") or ()), place.stat().st_mtime))
    return found


def prune(home: Home, step: Step) -> str | None:
    """Remove superseded images; return how much room that made, None if there were none.

    Raises LocalError when buildah can't be asked.
    """
    root = home.cache / "images" / "layers"
    buildah = shutil.which("buildah", path=home.environment()["PATH"])
    if buildah is None or not root.exists():
        step.skip("nothing is built with buildah here")
        return None
    variables = home.environment() | {"HEADWATER_HOME": str(home.root)}
    command = [buildah, *store_options(variables)]
    listed = output([*command, "images", "--json", "--no-trunc"], failure="`buildah images` failed", env=variables)
    # <driver>-images: overlay, or vfs where the file system knows no overlays.
    old = superseded([image for folder in root.glob("*-images") for image in parse(listed, folder)])
    if not old:
        step.skip(f"none beside those of the last {KEPT_BUILDS} builds of each image")
        return None
    before = shutil.disk_usage(root).free
    removed = ask([*command, "rmi", *(image.id for image in reversed(old))], env=variables)
    freed = max(shutil.disk_usage(root).free - before, 0) / 2**30
    if removed.returncode != 0:
        # No reason for `make up` to fail: a broken-off build holds an image, say.
        return f"{freed:.1f} GiB of older builds removed, some stay: {removed.stderr.strip().splitlines()[-1:]}"
    return f"{len(old)} images of older builds removed, {freed:.1f} GiB freed"
