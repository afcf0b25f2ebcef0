"""The generated files: writes them into a checkout, or compares them with the files there."""

from __future__ import annotations

import json
from pathlib import Path

from cli.reference.page import page
from cli.reference.schema import SCHEMA_FILE, stack_schema

PAGE_FILE = "docs/settings.md"


def contents() -> dict[str, str]:
    """Return the text of each generated file, by its path in the checkout."""
    schema = stack_schema()
    return {PAGE_FILE: page(schema), SCHEMA_FILE: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"}


def stale(checkout: Path) -> list[str]:
    """Return the paths of the generated files that are missing, or differ from what the settings say."""

    def differs(name: str, text: str) -> bool:
        file = checkout / name
        return not file.exists() or file.read_text(encoding="utf-8") != text

    return [name for name, text in contents().items() if differs(name, text)]


def write(checkout: Path) -> list[str]:
    """Write the generated files that are stale; return their paths."""
    changed, texts = stale(checkout), contents()
    for name in changed:
        (checkout / name).write_text(texts[name], encoding="utf-8")
    return changed
