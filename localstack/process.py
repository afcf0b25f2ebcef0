"""Runs other programs: a short one for its output, a long one line by line, with an interrupt passed on cleanly."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from localstack.errors import LocalError

GRACE_S = 60.0
"""Seconds an interrupted child gets to finish cleanly (Pulumi writes its state) before it is killed."""
TAIL_LINES = 15
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


class CommandFailed(Exception):
    """A child process ended with `code`; `reason` names the command and quotes the end of its output."""

    def __init__(self, argv: Sequence[str], code: int, tail: Sequence[str]) -> None:
        how = f"ended with exit status {code}" if code >= 0 else f"was ended by signal {-code}"
        quoted = "".join(f"\n    {line}" for line in tail)
        self.reason = f"`{' '.join(argv[:4])}{' …' if len(argv) > 4 else ''}` {how}{':' if tail else ''}{quoted}"
        self.code = code
        super().__init__(self.reason)


def clean(line: str) -> str:
    """Return `line` without colours, cursor movements and control characters, stripped at its end."""
    return _CONTROL.sub("", line).rstrip()


def ask(
    argv: Sequence[str | os.PathLike[str]], *, input: str | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a short command; return its exit status and what it prints. Its stdin is empty where there is no `input`.

    `options` are those of subprocess.run. Raises LocalError when there is no such command.
    """
    stdin = subprocess.DEVNULL if input is None else None
    try:
        return subprocess.run(argv, input=input, stdin=stdin, capture_output=True, text=True, check=False, **options)
    except FileNotFoundError as error:
        raise LocalError(f"{error.filename} is missing; `make up` installs what this machine lacks") from error


def output(argv: Sequence[str | os.PathLike[str]], *, failure: str = "", **options: Any) -> str:
    """Return what a short command prints; `options` are those of `ask`.

    Raises LocalError, with what it says after `failure` or the command, when it does not end well.
    """
    done = ask(argv, **options)
    if done.returncode != 0:
        raise LocalError(f"{failure or f'`{shlex.join(map(str, argv))}` failed'}: {done.stderr.strip()}")
    return done.stdout


def run(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    input: str | None = None,
) -> None:
    """Run a command to its end and hand each line of its output (both streams) to `on_line`.

    `env` is the whole environment (None: inherited). `input` is written to its stdin, else stdin is empty.
    Raises CommandFailed. An interrupt is passed on to the whole process group once, then waited for.
    """
    tail: list[str] = []
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(argv, 127, [str(error)]) from error
    try:
        if child.stdin is not None and input is not None:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(input.encode())
                child.stdin.close()
        assert child.stdout is not None  # noqa: S101 - PIPE above
        for line in _lines(child.stdout):
            on_line(line)
            if line.strip():
                tail = [*tail[1 - TAIL_LINES :], line]
        code = child.wait()
    except BaseException:
        on_line(f"stopping {argv[0]}: it gets {GRACE_S:.0f} s to end cleanly")
        _stop(child)
        raise
    if code != 0:
        raise CommandFailed(argv, code, tail)


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield the lines of `stream` as they come; a carriage return (progress bars) ends a line too."""
    for raw in stream:
        for part in raw.decode(errors="replace").rstrip("\n").split("\r"):
            yield clean(part)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Interrupt a child's process group, wait GRACE_S for it, then kill it."""
    for sign, patience in ((signal.SIGINT, GRACE_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, sign)
        try:
            child.wait(patience)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
        return
