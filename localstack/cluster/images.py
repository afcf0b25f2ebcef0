"""The images that the node itself runs, made from the tool chain's binaries and imported into containerd."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localstack.cluster.containerd import Ctr
from localstack.console import Step
from localstack.errors import LocalError
from localstack.home import Home
from localstack.images import ImageConfig, layer, sha256, write_archive
from localstack.process import output
from localstack.toolchain import builds
from localstack.toolchain.versions import Versions


@dataclass(frozen=True)
class SystemImage:
    """One image: its short name, its full reference (tag with the binary's digest), and the binary in it."""

    name: str
    reference: str
    binary: Path


def system_images(home: Home, pins: Versions) -> dict[str, SystemImage]:
    """The images by short name; a rebuilt binary gives a new reference, so that its pods are replaced."""
    busybox = shutil.which("busybox", path=f"{home.environment()['PATH']}:/bin:/usr/bin")
    if busybox is None:
        raise LocalError("busybox is missing: `make up` installs busybox-static")
    binaries = {
        "pause": builds.folder(home, pins.build("kubernetes")) / "pause",
        "coredns": builds.folder(home, pins.build("coredns")) / "coredns",
        "local-path-provisioner": builds.folder(home, pins.build("local-path-provisioner")) / "local-path-provisioner",
        "busybox": Path(busybox),
    }
    return {
        name: SystemImage(name, f"{pins.system_images[name]}-{sha256(binary)[:12]}", binary)
        for name, binary in binaries.items()
    }


def make(image: SystemImage, target: Path) -> None:
    """Write one image as archive; busybox gets a link for each of its commands."""
    with tempfile.TemporaryDirectory(prefix="image-", dir=target.parent) as scratch:
        root = Path(scratch) / "root"
        (root / "tmp").mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        (root / "bin").mkdir()
        shutil.copy(image.binary, root / "bin" / image.name)
        if image.name == "busybox":
            for command in set(output([image.binary, "--list"]).split()) - {"busybox"}:
                (root / "bin" / command).symlink_to("busybox")
            config = ImageConfig(command=("sh",))
        else:
            config = ImageConfig(entrypoint=(f"/bin/{image.name}",))
        write_archive(target, image.reference, [layer(root, Path(scratch) / "layer.tar")], config)


def ensure(images: Mapping[str, SystemImage], ctr: Ctr, cache: Path, step: Step) -> None:
    """Import what containerd does not have yet."""
    present = ctr.images()
    for image in images.values():
        if image.reference in present:
            continue
        step.update(f"image {image.name}")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="import-", dir=cache) as scratch:
            archive = Path(scratch) / "image.tar"
            make(image, archive)
            ctr.call("images", "import", str(archive), timeout_s=300)
