"""The commands of `make`: reads the command line, calls the command, and turns errors into one message."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from cli.command import Call
from cli.commands import NAMES, load
from localstack.errors import LocalError, StepFailed, UsageError
from localstack.home import Home

GIVEN = "HEADWATER_MAKE_VARIABLES"
"""Names of the variables of make's command line, separated by blanks. Their values are in the environment, never in
arguments, which everybody on the machine can read."""


def make_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options given as `make COMMAND name=value`.

    Names in capitals (`make up HEADWATER_HOME=/data`) are no options: they are environment.
    """
    names = environment.get(GIVEN, "").split()
    return {name: environment.get(name, "") for name in names if name.islower()}


def without_own_bin(path: str, prefix: str) -> str:
    """Return PATH without the virtual environment's own folder, so that only the machine's own tools are found."""
    own = str(Path(prefix) / "bin")
    return os.pathsep.join(part for part in path.split(os.pathsep) if part != own)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 1 for a failure, 2 for a bad command line, 130 when stopped."""
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["help"]
    try:
        if name in {"-h", "--help"}:
            name = "help"
        if name not in NAMES:
            raise UsageError(f"there is no command {name!r}; `make help` lists them")
        command = load(name)
        options = command.parser(name).parse_args([*command.arguments(make_variables(os.environ)), *rest])
    except UsageError as error:
        print(f"headwater {name}: {error}", file=sys.stderr)
        return 2
    os.environ["PATH"] = without_own_bin(os.environ.get("PATH", os.defpath), sys.prefix)
    signal.signal(signal.SIGTERM, _terminated)
    call = Call(name, options, Home.default())
    try:
        code = command.run(call)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`make status | head`) went away; nothing more may be written at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (UsageError, StepFailed, LocalError, ValueError, KeyboardInterrupt) as error:
        code = tell(call, error)
    return code


def tell(call: Call, error: BaseException) -> int:
    """Show why a command ended, with the log and the way to go on where it had steps; return its exit status."""
    if isinstance(error, KeyboardInterrupt):
        if call.has_console:
            call.console.interrupted()
        return 130
    if isinstance(error, StepFailed):
        call.console.report(error)
        return 1
    if isinstance(error, LocalError) and call.has_console:
        call.console.report(StepFailed(f"make {call.name}", str(error), call.console.log, call.console.resume))
        return 1
    print(f"headwater {call.name}: {error}", file=sys.stderr)
    return 2 if isinstance(error, UsageError) else 1
