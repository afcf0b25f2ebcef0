"""One file for each command: its name, its options, and what it does."""

from __future__ import annotations

from importlib import import_module

from cli.command import Command

NAMES = (
    "up", "down", "destroy", "status", "logs", "open", "password", "run", "trino", "dbt", "meltano", "quarantine",
    "source", "shop", "preview", "cost", "stack", "ci-role", "emulator", "env", "test", "soak", "lint", "docs", "lock",
    "bench", "help",
)  # fmt: skip
"""The commands, in the order of `make help`. Each is the file of its name in this folder."""


def load(name: str) -> Command:
    """Return a command of NAMES. Only what is called is imported: `make status` is to answer at once."""
    command: Command = import_module(f"cli.commands.{name.replace('-', '_')}").COMMAND
    return command
