"""The commands of `make`: reads the command line, calls the command, and turns errors into one message."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from localstack.errors import UsageError
from localstack.reporting import LocalError, StepFailed


@dataclass(frozen=True)
class Command:
    """A command: its name, one line of help, how it is typed with make, and its options."""

    name: str
    help: str
    example: str
    options: Callable[[argparse.ArgumentParser], None] | None = None


def positive(text: str) -> float:
    """Return a number above zero; argparse shows the error with the option's name."""
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0")
    return number


def count(text: str) -> int:
    """Return a whole number above zero."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number above 0")
    return int(text)


def truth(text: str) -> bool:
    """Return whether the text of a make variable means yes; the empty text (`--yes`) does."""
    values = {"": True, "1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is not known; allowed: 1, 0")
    return values[text.lower()]


def _flag(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    parser.add_argument(name, nargs="?", const=True, default=False, type=truth, help=what)


def _destroy(parser: argparse.ArgumentParser) -> None:
    _flag(parser, "--yes", "do not ask (yes=1)")


BENCHMARKS = ("platform", "ingestion", "changes", "large", "pods")


def _bench(parser: argparse.ArgumentParser) -> None:
    _flag(parser, "--restart", "also measure `make down` and the `make up` after it (restart=1)")
    parser.add_argument("--only", choices=BENCHMARKS, default="platform", help="what (only=ingestion)")


def _logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--component", help="whose logs (c=trino)")
    _flag(parser, "--follow", "go on showing new lines (f=1)")
    parser.add_argument("--lines", type=count, default=200, help="how many of the newest lines (n=200)")


def _trino(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--query", help='statements to run instead of a prompt (q="select 1")')


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--arguments", help='what to pass on (a="…")')


def _quarantine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--replay", help="try the rows of a stream once more (replay=orders)")


def _source(parser: argparse.ArgumentParser) -> None:
    # The address comes in the environment, HEADWATER_SOURCE_ADDRESS: arguments are everybody's to read.
    parser.add_argument("--remove", help="take the source of this name back (remove=crm)")
    parser.add_argument(
        "--name", help="what the source is called in the lake (name=crm; else as its database or folder)"
    )
    parser.add_argument("--schema", help="of a database: the schema whose tables are read (schema=public)")
    parser.add_argument("--set", help="of files: how a stream's are written (set='orders.skip=3 orders.delimiter=;')")


def _shop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=positive, default=50.0, help="orders a second (rate=50)")
    parser.add_argument("--orders", type=count, help="stop after so many orders (orders=1000)")


def _password(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", default="admin", help="admin, editor or viewer (u=admin)")


def _preview(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", default="dev", help="which stack (s=staging)")
    _flag(parser, "--diff", "Pulumi's own diff, with values (d=1)")


def _cost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", help="which stack (s=prod)")


def _stack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="the new stack's name (name=qa)")
    parser.add_argument("--from", dest="model", help="the stack it is made from (from=staging)")


def _ci_role(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", help="which stack (s=staging)")


def _emulator(parser: argparse.ArgumentParser) -> None:
    _flag(parser, "--stop", "stop it; its data ends with it (stop=1)")


def _test(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", help="unit, pipeline or platform (only=unit)")
    parser.add_argument("--expression", help="which tests, as pytest's -k (k=expr)")


def _soak(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", help="crash, drift or differential (only=drift); all if it is left out")
    parser.add_argument(
        "--runs",
        type=count,
        help="random kills in each way of writing, random changes, random tables by each way (runs=100)",
    )
    parser.add_argument("--seed", type=count, help="of what is random: that of an earlier soak, to do the same again")


COMMANDS = (
    Command("up", "bring everything up and run the pipeline once; run again, it continues", "make up"),
    Command("down", "stop everything; the data stays", "make down"),
    Command("destroy", "remove everything that was put on this machine", "make destroy yes=1", _destroy),
    Command("status", "workloads, addresses, last run, age of the data, open findings", "make status"),
    Command("logs", "logs of a component", "make logs c=trino f=1", _logs),
    Command("open", "the addresses, in the browser where there is one", "make open"),
    Command("password", "the password of a Superset user", "make password u=viewer", _password),
    Command("run", "run the pipeline and show its progress", "make run"),
    Command("trino", "SQL prompt, or one query", 'make trino q="select 1"', _trino),
    Command("dbt", "dbt in the platform, in schemas of your own", 'make dbt a="build"', _arguments),
    Command("meltano", "meltano in the platform, as a Job", 'make meltano a="run …"', _arguments),
    Command("quarantine", "rows that could not be stored", "make quarantine replay=orders", _quarantine),
    Command("source", "your own sources: list, add, remove", "make source add=postgres://… or ./folder", _source),
    Command("shop", "let the example company write orders", "make shop rate=50 orders=1000", _shop),
    Command("preview", "what `pulumi up` would change; d=1: with values", "make preview s=staging", _preview),
    Command("cost", "the month's bill of a stack on AWS, estimated", "make cost s=prod", _cost),
    Command("stack", "a new stack's settings, made from another's", "make stack name=qa from=staging", _stack),
    Command("ci-role", "the roles of previews and deployments", "make ci-role s=staging", _ci_role),
    Command("emulator", "AWS emulator of the localstack stack", "make emulator stop=1", _emulator),
    Command("env", "variables for plain pulumi and kubectl", 'eval "$(make -s env)"'),
    Command("test", "the test suite; `only=` one part of it", "make test only=unit k=settings", _test),
    Command("soak", "crashes, drift and random tables of ingestion, or marts", "make soak only=crash runs=100", _soak),
    Command("lint", "all static checks", "make lint"),
    Command("lock", "write all lock files anew from their inputs", "make lock"),
    Command("bench", "measure platform or ingestion, write docs/benchmarks.md", "make bench only=ingestion", _bench),
    Command("help", "this list", "make help"),
)


def overview() -> str:
    """Return the list of the commands with how each is typed."""
    lines = ["Headwater: an open lakehouse platform on this machine.", ""]
    lines += [f"  {each.example:<34} {each.help}" for each in COMMANDS]
    lines += ["", "Options of one: localstack/headwater COMMAND --help. Everything is kept in $HEADWATER_HOME."]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(prog="headwater", description="An open lakehouse platform on this machine.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for each in COMMANDS:
        made = commands.add_parser(each.name, help=each.help, description=f"{each.help}. Example: {each.example}")
        if each.options is not None:
            each.options(made)
    return top


def without_own_bin(path: str, prefix: str) -> str:
    """Return PATH without the virtual environment's own folder, so that only the machine's own tools are found."""
    own = str(Path(prefix) / "bin")
    return os.pathsep.join(part for part in path.split(os.pathsep) if part != own)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 1 for a failure, 2 for a bad command line, 130 when stopped."""
    chosen = parser().parse_args(arguments)
    os.environ["PATH"] = without_own_bin(os.environ.get("PATH", os.defpath), sys.prefix)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        from localstack import commands

        code = commands.run(chosen)
        sys.stdout.flush()
    except UsageError as error:
        print(f"headwater {chosen.command}: {error}", file=sys.stderr)
        code = 2
    except StepFailed:
        code = 1
    except (LocalError, ValueError) as error:
        print(f"headwater {chosen.command}: {error}", file=sys.stderr)
        code = 1
    except BrokenPipeError:
        # The reader (`make status | head`) went away; nothing more may be written at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = 130
    return code
