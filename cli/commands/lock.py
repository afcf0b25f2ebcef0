"""`make lock`: updates everything that is pinned by hash: Python packages of the images, and base images by digest."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.command import Call, Command
from components.images import bases, context, registry
from localstack.console import Console
from localstack.errors import LocalError
from localstack.home import CHECKOUT

PYTHON = "3.11"
DATASETS = "datasets.in"
"""Packages of which only the data files are read: locked without what their code needs."""
PLATFORMS = frozenset({"linux/amd64", "linux/arm64"})
"""What nodes may be: each base image has both."""


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


def contexts() -> dict[str, str]:
    """Return the text of each image's list of what its Docker context leaves out, by the image's name."""
    # Imported here: it brings Pulumi.
    from components.images.specs import SPECS

    return {spec.name: context.ignore_file(spec.directories) for spec in SPECS.values()}


def found_digest(base: bases.Base) -> str:
    """Return the digest that the registry has for the base image now.

    Raises LocalError where it does not answer, or the image lacks an architecture that nodes may be of.
    """
    try:
        index = registry.index_of(base.image)
    except OSError as error:
        raise LocalError(
            f"no answer about {base.image} ({error}): pipeline_code/{bases.FILE.name} stays as it is. "
            "Run `make lock` on a machine that reaches the registry"
        ) from error
    missing = sorted(PLATFORMS - index.platforms)
    if missing:
        raise LocalError(f"{base.image} lacks {', '.join(missing)}: name another image in pipeline_code/bases.toml")
    return index.digest


def write_locks(console: Console, checkout: Path = CHECKOUT) -> None:
    """Write all lock files; versions that still fit their input stay. Raises LocalError where no registry answers."""
    code = checkout / context.PLACE
    with console.step("Contexts of the images", estimate_s=2):
        for image, text in contexts().items():
            (code / image / context.IGNORE_FILE).write_text(text)
    for source in [checkout / "pyproject.toml", *inputs(checkout)]:
        with console.step(f"Lock {source.relative_to(checkout)}", estimate_s=15) as step:
            step.run(argv(source), cwd=source.parent)
    # The last step: it alone needs a registry of images, and what it does not reach stays.
    with console.step("Base images", estimate_s=5):
        file = code / bases.FILE.name
        digests = {argument: found_digest(base) for argument, base in bases.read(file).items()}
        file.write_text(bases.renewed(file.read_text(), digests))


def run(call: Call) -> int:
    """Write all lock files."""
    write_locks(call.console)
    return 0


COMMAND = Command("update all lock files and the digests of the base images", "make lock", run)
