"""A virtual environment with the packages of an image, to test and type-check its code on this machine."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from localstack.console import Console, Step
from localstack.errors import LocalError
from localstack.home import CHECKOUT, Home

TEST_PACKAGES = ("pytest", "iniconfig", "pluggy", "packaging", "pygments", "pytest-xdist", "execnet")
"""pytest, what runs it in several processes, and all that both need on Python 3.11."""
PYTHON = "3.11"


def pins(lock: str) -> dict[str, str]:
    """Return the entries of a hashed lock file: package name → its whole text, hashes included."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    found = {}
    for entry in entries:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", entry)
        if match is not None:
            kept = [line for line in entry.splitlines() if not line.lstrip().startswith("#")]
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = "\n".join(kept) + "\n"
    return found


def missing_test_pins(image_lock: str, project_lock: str) -> str:
    """Return the locked entries of TEST_PACKAGES that the image's lock lacks; its own versions win."""
    there, ours = pins(image_lock), pins(project_lock)
    return "".join(ours[name] for name in TEST_PACKAGES if name not in there)


def folder(home: Home, image: str, locks: Sequence[str]) -> Path:
    """Return where the environment of these lock files is kept."""
    digest = hashlib.sha256("\0".join([image, PYTHON, *locks]).encode()).hexdigest()[:12]
    return home.cache / f"venv-{image}-{digest}"


def ensure(home: Home, image: str, console: Console, checkout: Path = CHECKOUT) -> Path:
    """Make the image's environment with pytest added, once per lock file; return its Python.

    Raises LocalError when the image has no lock file.
    """
    own = lock_files(image, checkout)
    ours = (checkout / "requirements.lock").read_text()
    texts = [lock.read_text() for lock in own]
    extra = missing_test_pins("".join(texts), ours)
    venv = folder(home, image, [*texts, extra])
    if not (venv / ".complete").exists():
        with console.step(f"Python environment of {image}", estimate_s=60) as step:
            _make(home, step, venv, own, extra)
    return venv / "bin" / "python"


def _make(home: Home, step: Step, venv: Path, locks: Sequence[Path], extra: str) -> None:
    """Make the environment; the marker comes last, so that a broken-off one is made anew."""
    python = venv / "bin" / "python"
    environment = home.environment() | {"UV_CACHE_DIR": str(home.cache / "uv")}
    uv: list[str | Path] = [sys.executable, "-m", "uv"]
    step.run([*uv, "venv", "-q", "--clear", "--python", PYTHON, venv], env=environment)
    install = [*uv, "pip", "install", "-q", "--require-hashes", "--no-deps", "--python", python]
    for lock in locks:
        step.update(f"install {lock.name}")
        step.run([*install, "-r", lock], env=environment)
    if extra:
        added = venv / "test-packages.txt"
        added.write_text(extra)
        step.run([*install, "-r", added], env=environment)
    (venv / ".complete").touch()


def lock_files(image: str, checkout: Path = CHECKOUT) -> list[Path]:
    """Return the lock files of an image's Python; where it has several environments, that of all of them for tests.

    Packages whose data the tests load come last, if there are any. Raises LocalError when there is no lock file.
    """
    folder_of_image = checkout / "pipeline_code" / image
    candidates = [folder_of_image / "requirements" / "test.lock", folder_of_image / "requirements.lock"]
    datasets = folder_of_image / "requirements" / "datasets.lock"
    for lock in candidates:
        if lock.exists():
            return [lock, datasets] if datasets.exists() else [lock]
    raise LocalError(f"the image {image} has no lock file: neither {' nor '.join(map(str, candidates))}")
