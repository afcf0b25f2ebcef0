"""`make down`: stops everything; the data stays."""

from __future__ import annotations

from cli.command import Call, Command
from localstack import aws, cluster, registry
from localstack.console import Console
from localstack.exclusive import exclusive
from localstack.home import Home


def down(home: Home, console: Console) -> None:
    """Stop the cluster and the registry, whose data stays, and the AWS emulator, whose data does not."""
    # It listens on the cluster's bridge.
    aws.down(home, console)
    cluster.down(home, console)
    registry.down(home, console)
    console.say(f"Stopped. The data is in {home.root}; `make up` starts it again, `make destroy` removes it.")


def run(call: Call) -> int:
    """Stop everything, unless another command is at work."""
    with exclusive(call.home.state / "lock", call.name):
        down(call.home, call.console)
    return 0


COMMAND = Command("stop everything; the data stays", "make down", run)
