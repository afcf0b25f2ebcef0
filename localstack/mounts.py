"""File systems that are mounted inside a folder: they are unmounted before anything there is removed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from localstack.process import output

MOUNTINFO = Path("/proc/self/mountinfo")


def mounts_below(root: Path, mountinfo: Iterable[str], *, itself: bool = False) -> list[Path]:
    """Mount points below `root`, and `itself` on demand, deepest first; blanks are written as octal 040 there."""
    points = [Path(line.split()[4].replace("\\040", " ")) for line in mountinfo]
    found = [point for point in points if root in point.parents or (itself and point == root)]
    return sorted(found, key=lambda point: -len(point.parts))


def unmount_below(root: Path) -> None:
    """Unmount everything below `root`, in use or not; raises LocalError when the kernel refuses."""
    for point in mounts_below(root, MOUNTINFO.read_text().splitlines()):
        output(["umount", "--lazy", point])
