"""What a command of `make` is: its help, its options, and the function that does it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from localstack.console import Console
from localstack.errors import UsageError
from localstack.home import Home


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


@dataclass(frozen=True)
class Option:
    """An option: `make logs c=trino` and `cli/headwater logs --component trino` are the same.

    Attributes:
        flag: its name on the command line of `cli/headwater`.
        help: what it means, in a few words.
        make: the name of the make variable; the flag's own where it is empty.
        kind: what turns its text into a value; `truth` makes it a switch.
        default: the value where it is not given.
        choices: the values that are allowed; any where it is empty.
    """

    flag: str
    help: str
    make: str = ""
    kind: Callable[[str], object] = str
    default: object = None
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """Return the name of the make variable."""
        return self.make if self.make else self.flag

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add the option to a parser."""
        said = f"{self.help} ({self.variable}=)"
        if self.kind is truth:
            parser.add_argument(f"--{self.flag}", nargs="?", const=True, default=False, type=truth, help=said)
            return
        parser.add_argument(
            f"--{self.flag}", type=self.kind, default=self.default, help=said, choices=self.choices or None
        )


STACK = Option("stack", "which stack", make="s", default="dev")
"""Of commands about a running platform."""


@dataclass
class Call:
    """One call of a command: its name, the values of its options, and where everything local lives."""

    name: str
    options: argparse.Namespace
    home: Home

    @cached_property
    def console(self) -> Console:
        """Where the command's steps are shown and logged. Made at the first use: it makes the home's folders."""
        self.home.create()
        return Console(self.name, self.home.logs)

    @property
    def has_console(self) -> bool:
        """Return whether the command has begun to show steps."""
        return "console" in self.__dict__

    def required(self, option: str, question: str, example: str) -> str:
        """Return the value of an option. Raises UsageError with the question where it was not given."""
        value = getattr(self.options, option)
        if value is None:
            raise UsageError(f"{question} For example: make {example}")
        return str(value)


@dataclass(frozen=True)
class Command:
    """A command: one line of help, how it is typed with make, what it does, and its options.

    `run` returns the exit status. It raises UsageError for what the user typed, LocalError or StepFailed for what
    does not work.
    """

    help: str
    example: str
    run: Callable[[Call], int]
    options: Sequence[Option] = field(default=())

    def parser(self, name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's options."""
        parser = argparse.ArgumentParser(prog=f"headwater {name}", description=f"{self.help}. Example: {self.example}")
        for option in self.options:
            option.add_to(parser)
        return parser

    def arguments(self, given: Mapping[str, str]) -> list[str]:
        """Return the make variables that were given (name → value) as arguments. UsageError for an unknown one."""
        known = {option.variable: option for option in self.options}
        for name in given:
            if name not in known:
                raise unknown_variable(name, known)
        return [f"--{known[name].flag}={value}" for name, value in given.items()]


def unknown_variable(name: str, known: Mapping[str, Option]) -> UsageError:
    """Return the error for a make variable that the command does not have."""
    if not known:
        return UsageError(f"{name}=: this command has no options")
    return UsageError(f"{name}=: this command has no such option; it has {', '.join(f'{each}=' for each in known)}")


def words(call: Call, example: str) -> list[str]:
    """Return the words of a=…, split as a shell does. Raises UsageError when there are none."""
    text = call.options.arguments
    if text is None or not text.strip():
        raise UsageError(f'what is to be run? For example: make {call.name} a="{example}"')
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"a={text!r} can't be split into words: {error}") from error
