"""`make emulator`: the emulator started or stopped, and what to do next."""

from __future__ import annotations

from localstack.aws import emulator
from localstack.console import Console
from localstack.home import Home


def run(home: Home, console: Console, *, stop: bool) -> None:
    """Start the emulator unless it runs, or stop it. Raises LocalError when it can't be started."""
    if stop:
        ran = emulator.down(home, console)
        gone = "What it held is gone; `pulumi up --refresh -s localstack` makes the resources anew."
        console.say(gone if ran else "The AWS emulator does not run.")
        return
    place = emulator.up(home, console)
    console.say(
        f"It answers pods and this machine at {place.url}, takes any credentials, and keeps its data in memory."
    )
    console.say("Next: docs/aws.md, An emulator instead of an account. Undo: make emulator stop=1")
