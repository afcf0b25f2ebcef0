"""File systems that are mounted below a folder: they are unmounted before anything there is removed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


def mounts_below(root: Path, mountinfo: Iterable[str]) -> list[Path]:
    """Mount points below `root`, deepest first; blanks are written as octal 040 there."""
    points = [Path(line.split()[4].replace("\\040", " ")) for line in mountinfo]
    return sorted((point for point in points if root in point.parents), key=lambda point: -len(point.parts))


def unmount_below(root: Path) -> None:
    """Unmount everything below `root`, in use or not; raises CalledProcessError when the kernel refuses."""
    for point in mounts_below(root, MOUNTINFO.read_text().splitlines()):
        subprocess.run(["umount", "--lazy", point], check=True, capture_output=True)
