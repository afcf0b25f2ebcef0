"""The image's environments have what the packages in them need: they are installed without their dependencies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[3] / "pipeline_code" / "ingestion"
DOCKERFILE = (IMAGE / "Dockerfile").read_text()
STEP = re.compile(r"\$install /opt/venvs/(\w+)/bin/python((?:\s|\\|/build/dist/[\w-]+/\*\.whl)+)")
INSTALLED = {name: re.findall(r"/build/dist/([\w-]+)/", wheels) for name, wheels in STEP.findall(DOCKERFILE)}


def pinned(requirement: str) -> str:
    """A requirement without its extras: name==version, or the name alone."""
    return re.sub(r"\[.*?\]", "", requirement)


@pytest.mark.parametrize("name", INSTALLED)
def test_an_environment_has_what_its_packages_need(name: str) -> None:
    """A package that another one brought along, and no longer does: runs in the image end with an ImportError."""
    lock = dict(re.findall(r"^([\w.-]+)==(\S+)", (IMAGE / "requirements" / f"{name}.lock").read_text(), re.M))
    packages = INSTALLED[name]
    missing = []
    for package in packages:
        project = tomllib.loads((IMAGE / "packages" / package / "pyproject.toml").read_text())["project"]
        for requirement in map(pinned, project["dependencies"]):
            wanted, _, version = requirement.partition("==")
            if wanted not in packages and (wanted not in lock or lock[wanted] != (version or lock[wanted])):
                missing.append(f"{package} needs {requirement}")
    assert not missing


def test_every_environment_is_looked_at() -> None:
    """A Dockerfile that is written otherwise, in which nothing is found and nothing is wrong."""
    assert set(INSTALLED) == {"meltano", "tap", "target"}
    assert "headwater-contracts" in INSTALLED["target"]
