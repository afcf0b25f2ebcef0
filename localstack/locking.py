"""`make lock`: every lock file anew from its inputs, with hashes, for the Python of the images."""

from __future__ import annotations

import sys
from pathlib import Path

from localstack.console import Console
from localstack.stack import CHECKOUT

PYTHON = "3.11"
DATASETS = "datasets.in"
"""Packages of which only the data files are read: locked without what their code needs."""


def inputs(checkout: Path) -> list[Path]:
    """Return the files with the direct Python dependencies of the images, sorted."""
    images = checkout / "pipeline_code"
    return sorted([*images.glob("*/requirements.in"), *images.glob("*/requirements/*.in")])


def argv(source: Path) -> list[str]:
    """Return the uv command that writes the lock of `source` (a `*.in` file or pyproject.toml) beside it."""
    lock = source.with_name("requirements.lock") if source.name == "pyproject.toml" else source.with_suffix(".lock")
    options = ["--group", "test", "--group", "lint"] if source.name == "pyproject.toml" else []
    options += ["--no-deps"] if source.name == DATASETS else []
    return [
        sys.executable, "-m", "uv", "pip", "compile", "-q", "--generate-hashes", "--no-header",
        "--python-version", PYTHON, *options, source.name, "-o", lock.name,
    ]  # fmt: skip


def run(console: Console, checkout: Path = CHECKOUT) -> int:
    """Write all lock files; versions that still fit their input stay."""
    for source in [checkout / "pyproject.toml", *inputs(checkout)]:
        with console.step(f"Lock {source.relative_to(checkout)}", estimate_s=15) as step:
            step.run(argv(source), cwd=source.parent)
    return 0
