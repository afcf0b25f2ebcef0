"""What the parts of `localstack` report to while they work; localstack/console.py implements it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class LocalError(RuntimeError):
    """Something on this machine does not work; the message says what, why and the way out."""


class StepFailed(RuntimeError):
    """A step that could not be finished: what failed, why, where its log is and how to go on."""

    def __init__(
        self, title: str, reason: str, log: Path | None = None, resume_command: str | None = "make up"
    ) -> None:
        super().__init__(f"{title}: {reason}")
        self.title = title
        self.reason = reason
        self.log = log
        self.resume_command = resume_command


class Step(Protocol):
    """One long step while it runs."""

    def update(self, text: str) -> None:
        """Say what the step does now, in a few words."""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str | None = None,
        on_line: Callable[[str], str | None] | None = None,
    ) -> None:
        """Run a command, its output to the step's log; raises when it exits with another code than 0.

        `on_line` gets each line, and returns what is shown as progress.
        """

    def skip(self, reason: str) -> None:
        """Say that nothing was to be done."""


class Console(Protocol):
    """Where steps are shown."""

    def step(self, title: str, estimate_s: float | None = None) -> AbstractContextManager[Step]:
        """Open a step; it ends with the context, as done or as failed."""
