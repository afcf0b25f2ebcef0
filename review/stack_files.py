"""The stacks of a checkout: one file of settings each."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class StackFileError(ValueError):
    """The file can't be read; the message names it, the line and what is wrong there."""


def stack_files(checkout: Path) -> dict[str, Path]:
    """Return stack → its Pulumi.<stack>.yaml, sorted by the stack's name."""
    files = {file.name.removeprefix("Pulumi.").removesuffix(".yaml"): file for file in checkout.glob("Pulumi.*.yaml")}
    return dict(sorted(files.items()))


def configuration(file: Path) -> dict[str, Any]:
    """Return what a stack's file has below `config`, secrets as they are written there. Raises StackFileError."""
    # Imported here: `make help` lists stacks and is to answer at once.
    import yaml

    try:
        whole = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StackFileError(f"{file.name} can't be read as YAML: {' '.join(str(error).split())}") from error
    found = (whole or {}).get("config") if isinstance(whole or {}, dict) else whole
    if not isinstance(found or {}, dict):
        raise StackFileError(
            f"{file.name}: {str(found)[:60]!r} is no list of settings; write `config:` and below it each"
        )
    return dict(found or {})
