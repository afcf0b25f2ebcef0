"""Which stacks a change affects, from the names of the changed files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from review import program
from review.cost.report import region
from review.stack_files import stack_files

# What no stack's preview depends on. A file that is nowhere here touches every stack: too many previews, never too few.
_NOTHING = re.compile(
    r"(docs|tests|cli|localstack|\.ci)/|[A-Z]+(\.md)?$|Makefile$|\.gitignore$|\.github/workflows/(ci|deploy)\.yml$"
)
_STACK_FILE = re.compile(r"Pulumi\.([^/]+)\.yaml$")


def on_accounts(checkout: Path = program.CHECKOUT) -> list[str]:
    """Return the stacks that live on an AWS account: only those can be previewed without this machine's cluster."""
    return [name for name in stack_files(checkout) if region(program.configuration(name, checkout)) is not None]


def stacks(files: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return which of the known stacks a change of these files (paths from the root of the repository) touches."""
    touched: set[str] = set()
    every = set(known)
    for file in files:
        own = _STACK_FILE.fullmatch(file)
        if own is not None:
            touched |= {own[1]} & every
        elif not _NOTHING.match(file):
            return sorted(every)
    return sorted(touched)
