"""The stacks of a checkout: one file of settings each."""

from __future__ import annotations

from pathlib import Path


def stack_files(checkout: Path) -> dict[str, Path]:
    """Return stack → its Pulumi.<stack>.yaml, sorted by the stack's name."""
    files = {file.name.split(".")[1]: file for file in checkout.glob("Pulumi.*.yaml")}
    return dict(sorted(files.items()))
