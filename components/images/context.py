"""What an image is made of: the files in its folders, and one hash over all of them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# As the program's own folder sees it: an absolute path would put one machine's checkout into the state.
PLACE = "pipeline_code"
ROOT = PROJECT / PLACE
# What tools leave behind in a checkout. Neither hashed nor built.
LEFTOVERS = (
    "__pycache__", "*.pyc", "*.egg-info", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".meltano", ".git",
    "target", "logs", "dbt_packages", ".user.yml", ".DS_Store", ".env", ".env.*", ".idea", ".vscode", "*~", "*.swp",
)  # fmt: skip
# Docker's name for the list of what a Dockerfile's context leaves out, beside the Dockerfile.
IGNORE_FILE = "Dockerfile.dockerignore"
# Part of every hash: raise it when the way of building changes what comes out.
RECIPE = "2"
MODES = {0o644, 0o755}
# What tags of images begin with in ECR, whose lifecycle rule counts them by it; buildah's registry has no such rule.
TAG_PREFIX = "image-"


def short(digest: str) -> str:
    """Return the first twelve digits of a digest, for a tag."""
    return digest.removeprefix("sha256:")[:12]


def files(directories: Sequence[str], root: Path | None = None) -> list[Path]:
    """Return the files below the given folders of `root` (pipeline_code/), as sorted relative paths.

    Raises FileNotFoundError when a folder is not there.
    """
    root = ROOT if root is None else root
    found: list[Path] = []
    for directory in directories:
        if not (root / directory).is_dir():
            raise FileNotFoundError(f"{root / directory} is not a folder; an image's context names it")
        _collect(root / directory, root, found)
    return sorted(found)


def content_hash(
    dockerfile: str,
    directories: Sequence[str],
    build_arguments: Mapping[str, str],
    platforms: Sequence[str],
    root: Path | None = None,
) -> str:
    """Return a hex SHA-256 over all that decides what comes out.

    That is paths, contents and executable bits of the context, the platforms, and the build arguments: of an image by
    digest the digest alone, because a copy of it elsewhere is the same image.
    """
    root = ROOT if root is None else root
    digest = hashlib.sha256(RECIPE.encode())
    arguments = (f"{name}={value.rpartition('@')[2]}" for name, value in sorted(build_arguments.items()))
    for text in (dockerfile, *sorted(platforms), *arguments):
        digest.update(f"{len(text)}:{text}".encode())
    for path in files(directories, root):
        content = (root / path).read_bytes()
        executable = bool((root / path).stat().st_mode & 0o100)
        digest.update(f"{len(path.as_posix())}:{path.as_posix()}:{int(executable)}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def ignore_file(directories: Sequence[str]) -> str:
    """Return the text of an image's Dockerfile.dockerignore: nothing is in its context but these folders.

    Without it Docker would send, and Pulumi would hash, every image's folders and what tools leave behind in them.
    """
    head = "# Written by `make lock` from components/images/specs.py: the folders of this image, without leftovers."
    lines = [head, "*"]
    return "\n".join([*lines, *(f"!{each}" for each in directories), *(f"**/{each}" for each in LEFTOVERS)]) + "\n"


def strange_mode(directories: Sequence[str], root: Path | None = None) -> str | None:
    """Return the first file whose mode is not Git's, as `path has mode 0664`; None where all are.

    Docker copies modes into the image: with another umask the same commit gives another image, or an unreadable one.
    """
    root = ROOT if root is None else root
    for path in files(directories, root):
        mode = (root / path).stat().st_mode & 0o777
        if mode not in MODES:
            return f"{PLACE}/{path} has mode {mode:04o}"
    return None


def stage(directories: Sequence[str], destination: Path, root: Path | None = None) -> None:
    """Copy exactly the hashed files to `destination`, with normal modes and one time stamp."""
    root = ROOT if root is None else root
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
