"""Other programs, run for their output."""

from __future__ import annotations

import pytest

from localstack import process
from localstack.errors import LocalError


def test_what_a_command_says_is_in_the_error() -> None:
    """`make up` that ends with an exit status and nothing to act on, or with a traceback."""
    assert process.output(["cat"], input="text") == "text"
    with pytest.raises(LocalError, match=r"`sh -c 'echo no >&2; exit 3'` failed: no"):
        process.output(["sh", "-c", "echo no >&2; exit 3"])
    with pytest.raises(LocalError, match="the list is not there: no"):
        process.output(["sh", "-c", "echo no >&2; exit 3"], failure="the list is not there")


def test_a_command_that_is_not_there_names_the_way_out() -> None:
    with pytest.raises(LocalError, match="no-such-command is missing; `make up` installs"):
        process.ask(["no-such-command"])
