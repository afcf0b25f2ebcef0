"""What Docker and Pulumi's docker-build provider take for an image's context, as moby/patternmatcher decides it."""

from __future__ import annotations

import hashlib
import json
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from components.images import context


def sent(dockerfile: str) -> list[Path]:
    """Return the files of the context of a Dockerfile (pipeline_code/…/Dockerfile): those its list does not leave out.

    The last pattern that matches a path, or a folder above it, decides; `!` takes back in.
    """
    lines = (context.ROOT.parent / f"{dockerfile}.dockerignore").read_text().splitlines()
    patterns = [each for each in lines if each and not each.startswith("#")]
    files = (each.relative_to(context.ROOT) for each in context.ROOT.rglob("*") if each.is_file())
    return sorted(each for each in files if not _left_out(each, patterns))


def context_hash(inputs: dict[str, Any]) -> str:
    """Return a hash over what decides what the provider builds: its inputs, and names, modes and contents of files."""
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    for path in sent(inputs["dockerfile"]["location"]):
        file = context.ROOT / path
        digest.update(f"{path} {file.stat().st_mode}".encode() + file.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def _left_out(path: Path, patterns: list[str]) -> bool:
    out = False
    for pattern in patterns:
        if _matches(path, pattern.removeprefix("!")):
            out = not pattern.startswith("!")
    return out


def _matches(path: Path, pattern: str) -> bool:
    upwards = [PurePosixPath(path), *PurePosixPath(path).parents][:-1]
    if pattern.startswith("**/"):
        return any(fnmatchcase(each.name, pattern[3:]) for each in upwards)
    wanted = pattern.split("/")
    return any(len(each.parts) == len(wanted) and all(map(fnmatchcase, each.parts, wanted)) for each in upwards)
