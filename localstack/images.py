"""Writes container images from a root file system, without a daemon (format: docker-archive)."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ImageConfig:
    """What an image says about how it is run."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def render(self, diff_ids: Sequence[str]) -> bytes:
        """The configuration file (JSON) over layers with these sha256 digests; the same input gives the same bytes."""
        environment = {"PATH": DEFAULT_PATH} | dict(self.environment)
        document = {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
                "Entrypoint": list(self.entrypoint) if self.entrypoint else None,
                "Cmd": list(self.command) if self.command else None,
                "Labels": dict(sorted(self.labels.items())),
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in diff_ids]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "headwater"} for _ in diff_ids],
        }
        return json.dumps(document, sort_keys=True).encode()


def layer(root: Path, tar: Path) -> Path:
    """Pack the tree under `root` into an uncompressed, reproducible tar: sorted names, owner 0, mtime 0."""
    subprocess.run(
        ["tar", "--sort=name", "--mtime=@0", "--numeric-owner", "--owner=0", "--group=0", "-C", str(root), "-cf",
         str(tar), "."], check=True,
    )  # fmt: skip
    return tar


def write_archive(target: Path, reference: str, layers: Sequence[Path], config: ImageConfig) -> None:
    """Write an image of uncompressed layer tars as docker-archive, which skopeo and `ctr images import` read."""
    digests = [sha256(tar) for tar in layers]
    rendered = config.render(digests)
    config_name = f"{hashlib.sha256(rendered).hexdigest()}.json"
    names = [f"{digest}/layer.tar" for digest in digests]
    manifest = json.dumps([{"Config": config_name, "RepoTags": [reference], "Layers": names}]).encode()
    with tarfile.open(target, "w") as archive:
        for tar, name in zip(layers, names, strict=True):
            archive.add(tar, name)
        for name, content in ((config_name, rendered), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
