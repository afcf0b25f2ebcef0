"""What an image is made of: the files of its folders, and one hash over all of it."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "pipeline_code"
# What tools leave behind in a checkout. Neither hashed nor built.
LEFTOVERS = (
    "__pycache__", "*.pyc", "*.egg-info", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".meltano", ".git",
    "target", "logs", "dbt_packages", ".user.yml", ".DS_Store",
)  # fmt: skip
# Part of every hash: raise it when the way of building changes what comes out.
RECIPE = "1"


def files(directories: Sequence[str], root: Path = ROOT) -> list[Path]:
    """Return the files below the given folders of `root`, as sorted relative paths.

    Raises FileNotFoundError when a folder is not there.
    """
    found: list[Path] = []
    for directory in directories:
        if not (root / directory).is_dir():
            raise FileNotFoundError(f"{root / directory} is not a folder; an image's context names it")
        _collect(root / directory, root, found)
    return sorted(found)


def content_hash(
    dockerfile: str, directories: Sequence[str], build_arguments: Mapping[str, str], root: Path = ROOT
) -> str:
    """Return a hex SHA-256 over paths, contents and executable bits of the context, and the build arguments."""
    digest = hashlib.sha256(RECIPE.encode())
    for text in (dockerfile, *(f"{name}={value}" for name, value in sorted(build_arguments.items()))):
        digest.update(f"{len(text)}:{text}".encode())
    for path in files(directories, root):
        content = (root / path).read_bytes()
        executable = bool((root / path).stat().st_mode & 0o100)
        digest.update(f"{len(path.as_posix())}:{path.as_posix()}:{int(executable)}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def default_bases(image: str, root: Path = ROOT) -> dict[str, str]:
    """Return the base images that the image's Dockerfile takes by default: build argument → reference."""
    text = (root / image / "Dockerfile").read_text()
    return dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", text, re.M))


def stage(directories: Sequence[str], destination: Path, root: Path = ROOT) -> None:
    """Copy exactly the hashed files to `destination`, with normal modes and one time stamp."""
    for path in files(directories, root):
        target = destination / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)
        target.chmod(0o755 if (root / path).stat().st_mode & 0o100 else 0o644)


def _collect(directory: Path, root: Path, found: list[Path]) -> None:
    for entry in sorted(directory.iterdir()):
        if any(fnmatch(entry.name, pattern) for pattern in LEFTOVERS):
            continue
        if entry.is_dir():
            _collect(entry, root, found)
        else:
            found.append(entry.relative_to(root))
