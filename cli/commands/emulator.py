"""`make emulator`: the AWS emulator of the stack `localstack`, started or stopped, and what to do next."""

from __future__ import annotations

from cli.command import Call, Command, Option, truth
from localstack import aws
from localstack.exclusive import exclusive


def run(call: Call) -> int:
    """Start the emulator unless it runs, or stop it."""
    console = call.console
    with exclusive(call.home.state / "lock", call.name):
        if call.options.stop:
            ran = aws.down(call.home, console)
            gone = "Its data is deleted; `pulumi up --refresh -s localstack` creates the resources again."
            console.say(gone if ran else "The AWS emulator does not run.")
            return 0
        place = aws.up(call.home, console)
    console.say(
        f"Pods and this machine reach it at {place.url}. It accepts any credentials and keeps its data in memory."
    )
    console.say("Next: docs/aws.md, An emulator instead of an account. Undo: make emulator stop=1")
    return 0


COMMAND = Command(
    "AWS emulator of the localstack stack", "make emulator stop=1", run,
    [Option("stop", "stop it; this deletes its data", kind=truth)],
)  # fmt: skip
