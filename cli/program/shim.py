"""The `pulumi` of the virtual environment: calls the real one, with `--config-file` if the dev stack needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cli.program import stack
from localstack.errors import LocalError
from localstack.home import Home
from localstack.process import ask

WITH_CONFIG = {"up", "update", "preview", "pre", "refresh", "destroy", "down", "import", "watch", "logs", "config"}
"""Commands that read a stack's settings, with their aliases. `config` only reads without a subcommand or with `get`."""
_CONFIG_READS = {"get"}


def stack_named(arguments: Sequence[str]) -> str | None:
    """Return the stack that `--stack`/`-s` names in a pulumi command line, or None."""
    for index, word in enumerate(arguments):
        if word in {"--stack", "-s"} and index + 1 < len(arguments):
            return arguments[index + 1]
        if word.startswith("--stack="):
            return word.partition("=")[2]
    return None


def wants_config_file(arguments: Sequence[str]) -> bool:
    """Return whether the command reads stack settings and the user named no file for them."""
    words = [word for word in arguments if not word.startswith("-")]
    if any(word.partition("=")[0] in {"--config-file", "--help", "-h", "--cwd", "-C"} for word in arguments):
        return False
    if not words or words[0] not in WITH_CONFIG:
        return False
    return words[0] != "config" or len(words) == 1 or words[1] in _CONFIG_READS or stack_named(arguments) == words[1]


def main(arguments: Sequence[str]) -> None:
    """Become the real pulumi. Exits with 127 when there is none."""
    home = Home.default()
    try:
        pulumi = stack.pulumi(home)
        added: list[str] = []
        if wants_config_file(arguments):
            name = stack_named(arguments)
            if name is None:
                name = ask([pulumi, "stack", "--show-name"]).stdout.strip()
            name = name.rpartition("/")[2]
            if name == stack.STACK:
                added = ["--config-file", str(stack.config_file(home))]
            if name in stack.ON_THIS_MACHINE:
                os.environ.update(stack.environment(home))
    except LocalError as error:
        sys.exit(f"headwater: {error}")
    os.execv(pulumi, [pulumi, *arguments, *added])  # noqa: S606 - the user's own command line


if __name__ == "__main__":
    main(sys.argv[1:])
