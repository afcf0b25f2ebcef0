"""`make help`: the list of the commands."""

from __future__ import annotations

from cli.command import Call, Command
from cli.commands import NAMES, load


def overview() -> str:
    """Return the list of the commands with how each is typed."""
    lines = ["Headwater: an open lakehouse platform on this machine.", ""]
    lines += [f"  {each.example:<40} {each.help}" for each in map(load, NAMES)]
    lines += ["", "Options of one: cli/headwater COMMAND --help. Everything is kept in $HEADWATER_HOME."]
    return "\n".join(lines)


def run(_call: Call) -> int:
    """Print the list."""
    print(overview())
    return 0


COMMAND = Command("this list", "make help", run)
