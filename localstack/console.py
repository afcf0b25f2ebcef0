"""Steps of a long command: live progress on a terminal, plain lines elsewhere, everything in one log file."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from localstack.errors import StepFailed
from localstack.process import CommandFailed, clean, run

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

SIGNS = {"done": ("✔", "green"), "skipped": ("✔", "dim"), "stopped": ("■", "yellow"), "failed": ("✘", "red")}
HEARTBEAT_S = 10.0
"""Seconds between two signs of life of a running step where there is no terminal."""


def duration(seconds: float) -> str:
    """Return a time for people: `0.4 s`, `42 s`, `3 min 05 s`, `1 h 02 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@dataclass
class Step:
    """One step of a command. Made by `Console.step`; `log` is the file that gets all its output."""

    title: str
    log: Path
    estimate_s: float | None
    console: Console
    started: float = field(default_factory=time.monotonic)
    detail: str = ""
    skipped: str | None = None

    def update(self, text: str) -> None:
        """Show `text` (one line) as what the step is doing now, and keep it in the log."""
        self.console.write_log(text)
        self.detail = clean(text)

    def skip(self, reason: str) -> None:
        """Say that there was nothing to do, and why. The caller leaves the `with` block by itself."""
        self.skipped = reason
        self.console.write_log(f"skipped: {reason}")

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        input: str | None = None,
        on_line: Callable[[str], str | None] | None = None,
    ) -> None:
        """Run a command to its end with all output in the log; the last line shows as progress.

        `env` is the whole environment (None: inherited). `input` is written to its stdin, else stdin is empty.
        `on_line` may turn an output line into the text to show; None shows nothing. Never put a secret in `argv`.
        Raises StepFailed with the last lines. An interrupt is passed on once, then waited for.
        """
        words = [os.fspath(word) for word in argv]
        self.console.write_log(f"$ {' '.join(words)}")

        def show(line: str) -> None:
            self.console.write_log(line)
            shown = line if on_line is None else on_line(line)
            if shown is not None and shown.strip():
                self.detail = clean(shown)

        try:
            run(words, show, env=env, cwd=cwd, input=input)
        except CommandFailed as failure:
            raise StepFailed(self.title, failure.reason, self.log, self.console.resume) from failure


class Console:
    """What a user sees of a command, and its log file `<logs>/<date>-<command>.log`.

    `resume` is the command that continues after a failure. Without a terminal, or with CI=true, it prints plain
    lines with the seconds since the start.
    """

    def __init__(
        self, command: str, logs: Path, *, resume: str | None = None, stream: TextIO | None = None, plain: bool = False
    ) -> None:
        self.command = command
        self.resume = f"make {command}" if resume is None else resume
        self.stream: TextIO = sys.stdout if stream is None else stream
        self.plain = plain or os.environ.get("CI", "").lower() == "true" or not self.stream.isatty()
        self.started = time.monotonic()
        self.timings: list[tuple[str, float]] = []
        """(title, seconds) of each step that ended, in order."""
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{command}.log"
        self._file = os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", buffering=1)
        self._lock = threading.Lock()
        self._steps: list[Step] = []
        self._live: Live | None = None

    def write_log(self, text: str) -> None:
        """Append a line to the log file, with the time."""
        with self._lock:
            self._file.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")

    def say(self, text: str = "") -> None:
        """Show text to the user and keep it in the log."""
        self.write_log(text)
        self._emit(text)

    @contextlib.contextmanager
    def step(self, title: str, estimate_s: float | None = None) -> Iterator[Step]:
        """Run a step: shows progress while the block runs, then how it ended and how long it took.

        `estimate_s` is about how many seconds it takes. Any error becomes StepFailed with the log and the command
        to continue; an interrupt is reported and passes through. Steps may nest.
        """
        step = Step(title, self.log, estimate_s, self)
        self.write_log(f"=== {title}")
        self._steps.append(step)
        done = threading.Event()
        beat: threading.Thread | None = None
        if self.plain:
            self._emit(f"{self._stamp()} {self._indent()}{title} …{self._about(estimate_s)}")
            beat = threading.Thread(target=self._heartbeat, args=(step, done), daemon=True)
            beat.start()
        elif self._live is None:
            self._start_live()
        try:
            yield step
        except BaseException as error:
            self._close(step, done, beat, "stopped" if isinstance(error, KeyboardInterrupt) else "failed")
            if isinstance(error, StepFailed) or not isinstance(error, Exception):
                raise
            self.write_log(traceback.format_exc())
            raise StepFailed(title, _reason(error), self.log, self.resume) from error
        self._close(step, done, beat, "skipped" if step.skipped is not None else "done")

    def report(self, error: StepFailed) -> None:
        """Show what failed, why, where the whole log is and how to continue."""
        self.say()
        self.say(f"Failed: {error.title}")
        self.say(f"  why:       {error.reason}")
        self.say(f"  full log:  {self.log if error.log is None else error.log}")
        if error.resume_command is not None:
            self.say(f"  continue:  {error.resume_command}")

    def interrupted(self) -> None:
        """Show that the user stopped the command, and how to continue."""
        self.say()
        self.say(f"Stopped. Nothing is lost; continue with: {self.resume}")
        self.say(f"  full log:  {self.log}")

    def slowest(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the `count` slowest steps as (title, seconds), slowest first."""
        return sorted(self.timings, key=lambda timing: -timing[1])[:count]

    def _close(self, step: Step, done: threading.Event, beat: threading.Thread | None, outcome: str) -> None:
        """Take the step off the display and print its last line."""
        done.set()
        if beat is not None:
            beat.join()
        seconds = time.monotonic() - step.started
        if outcome == "done":
            self.timings.append((step.title, seconds))
        indent = self._indent()
        self._steps.remove(step)
        self.write_log(f"--- {step.title}: {outcome} after {duration(seconds)}")
        note = f"{outcome}: {step.skipped}" if outcome == "skipped" else f"{outcome}, {duration(seconds)}"
        if self._live is None:
            self._emit(f"{self._stamp()} {indent}{step.title}: {note}")
            return
        from rich.text import Text

        self._emit(Text.assemble(indent, SIGNS[outcome], f" {step.title} ", (note, "dim")))
        if not self._steps:
            self._live.stop()
            self._live = None

    def _heartbeat(self, step: Step, done: threading.Event) -> None:
        """Print a sign of life of the innermost step every HEARTBEAT_S seconds."""
        while not done.wait(HEARTBEAT_S):
            if self._steps and self._steps[-1] is step:
                elapsed = duration(time.monotonic() - step.started)
                what = f": {step.detail}" if step.detail else ""
                self._emit(f"{self._stamp()} {self._indent()}  {elapsed}{self._about(step.estimate_s)}{what}"[:200])

    def _emit(self, text: str | Text) -> None:
        """Print text, above the live display when there is one."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
            return
        with self._lock:
            self.stream.write(f"{text}\n")
            self.stream.flush()

    def _stamp(self) -> str:
        return f"[{time.monotonic() - self.started:7.1f}s]"

    def _indent(self) -> str:
        return "  " * max(0, len(self._steps) - 1)

    def _about(self, estimate_s: float | None) -> str:
        return "" if estimate_s is None else f" (about {duration(max(10, estimate_s))})"

    def _start_live(self) -> None:
        from rich.console import Console as RichConsole
        from rich.live import Live

        screen = RichConsole(file=self.stream)
        self._live = Live(console=screen, get_renderable=self._render, refresh_per_second=8, transient=True)
        self._live.start()

    def _render(self) -> Text:
        """Return the live line of the innermost step: spinner, title, elapsed of estimate, last output."""
        from rich.text import Text

        if not self._steps:
            return Text("")
        step = self._steps[-1]
        elapsed = time.monotonic() - step.started
        spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(time.monotonic() * 8) % 10]
        text = Text(f"{self._indent()}{spinner} {step.title}  ", no_wrap=True, overflow="ellipsis")
        text.append(f"{duration(elapsed)}{self._about(step.estimate_s)}  ", style="cyan")
        text.append(step.detail, style="dim")
        return text


def _reason(error: Exception) -> str:
    """Return an error's text, with its type where the text alone says little."""
    text = str(error)
    return text if isinstance(error, (OSError, RuntimeError)) and text else f"{type(error).__name__}: {text}"
