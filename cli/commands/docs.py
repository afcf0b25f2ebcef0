"""`make docs`: the files that are generated from the settings."""

from __future__ import annotations

from cli.command import Call, Command
from cli.reference.files import write
from localstack.home import CHECKOUT


def run(_call: Call) -> int:
    """Write them, and say which changed."""
    changed = write(CHECKOUT)
    print("\n".join(f"{name} is written" for name in changed) or "nothing to write: all files are up to date")
    return 0


COMMAND = Command("write docs/settings.md and headwater.schema.json from the settings", "make docs", run)
