"""Tap and target as two processes that can be killed between any two steps.

A fork server imports both once; each run forks from it. Faults are put in here, around the functions that a step
calls: the code under test knows nothing of them.
"""

from __future__ import annotations

import functools
import importlib
import json
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

LONGEST_RUN_SECONDS = 180


@dataclass(frozen=True)
class Pause:
    """Where a process waits: it says that it is there, and goes on when it may."""

    reached: Event
    over: Event

    def wait(self) -> None:
        """Be there."""
        self.reached.set()
        self.over.wait(LONGEST_RUN_SECONDS)


def _strike(pause: Pause | None) -> None:
    if pause is None:
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        pause.wait()


@dataclass(frozen=True)
class Fault:
    """Kill `process` (tap or target) right before or after the `call`-th call of `function` (module:Class.name).

    Or let it wait there, where the run has something to do `meanwhile`.
    """

    process: str
    when: str
    function: str
    call: int = 1

    def __str__(self) -> str:
        return f"{self.process} {self.when} {self.function.partition(':')[2]} #{self.call}"

    def arm(self, pause: Pause | None) -> None:
        """Wrap the function in this process."""
        module, _, path = self.function.partition(":")
        *owners, name = path.split(".")
        holder = functools.reduce(getattr, owners, importlib.import_module(module))
        original = getattr(holder, name)
        calls = 0

        @functools.wraps(original)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            mine = calls == self.call
            if mine and self.when == "before":
                _strike(pause)
            result = original(*arguments, **options)
            if mine and self.when == "after":
                _strike(pause)
            return result

        setattr(holder, name, wrapped)


def _become(descriptor: int, standard: int) -> None:
    os.dup2(descriptor, standard)
    os.close(descriptor)


def run_tap(  # noqa: PLR0917 - called by position in another process
    config: dict[str, Any], state: dict[str, Any], pipe: str, log: str, fault: Fault | None, pause: Pause | None
) -> None:
    """Run the tap with standard output in the named pipe."""
    name = "tap_files" if "path" in config else "tap_postgres_arrow"
    main, settings_of = importlib.import_module(f"{name}.main"), importlib.import_module(f"{name}.settings")

    _become(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    _become(os.open(pipe, os.O_WRONLY), 1)
    sys.stdout = os.fdopen(1, "w")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if fault is not None and fault.process == "tap":
        fault.arm(pause)
    settings = settings_of.PROGRAM.checked(config)
    work = main.Run(settings) if name == "tap_files" else main.work_of(settings)
    try:
        work.sync(None, state)
    finally:
        work.close()


def run_target(  # noqa: PLR0917 - called by position in another process
    config: dict[str, Any], pipe: str, output: str, log: str, fault: Fault | None, pause: Pause | None
) -> None:
    """Run the target with standard input from the named pipe and standard output in a file."""
    from target_iceberg.settings import Settings
    from target_iceberg.target import Target

    _become(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    _become(os.open(pipe, os.O_RDONLY), 0)
    _become(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    sys.stdin, sys.stdout = os.fdopen(0, "r"), os.fdopen(1, "w")
    if fault is not None and fault.process == "target":
        fault.arm(pause)
    Target(Settings.of(config)).listen(sys.stdin)
    sys.stdout.flush()


@dataclass(frozen=True)
class Outcome:
    """Exit codes (-9: killed), the last state that the target let go of (None: none), and what both logged."""

    tap: int
    target: int
    state: dict[str, Any] | None
    log: str

    @property
    def complete(self) -> bool:
        return self.tap == 0 and self.target == 0


@functools.cache
def _fork_server() -> ForkServerContext:
    """Return the context, its server started with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "crash_processes",
            "tap_postgres_arrow.main",
            "tap_postgres_arrow.arrow",
            "target_iceberg.main",
            "target_iceberg.run",
            "pyiceberg.catalog.rest",
            "pyiceberg.catalog.sql",
        ]
    )
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # Python 3.11 does not hand its path to the server
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


def run(
    tap: dict[str, Any],
    target: dict[str, Any],
    state: dict[str, Any],
    fault: Fault | None = None,
    *,
    interrupt: Callable[[int, int], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Outcome:
    """Run `tap | target` once.

    `interrupt` is called with both process ids while they run, `meanwhile` while a process waits where `fault` is.
    """
    context = _fork_server()
    pause = None if meanwhile is None else Pause(context.Event(), context.Event())
    with tempfile.TemporaryDirectory(prefix="headwater-crash-") as name:
        folder = Path(name)
        pipe, output, log = str(folder / "pipe"), folder / "state.jsonl", folder / "log"
        os.mkfifo(pipe)
        processes = (
            context.Process(target=run_tap, args=(tap, state, pipe, str(log), fault, pause)),
            context.Process(target=run_target, args=(target, pipe, str(output), str(log), fault, pause)),
        )
        # As a shell does: both ends are open before either process is, and close when it ends.
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        ends = dict(zip(processes, (os.open(pipe, os.O_WRONLY), reading), strict=True))
        for process in processes:
            process.start()
        if interrupt is not None:
            interrupt(*(process.pid or 0 for process in processes))
        if pause is not None and meanwhile is not None:
            while not pause.reached.wait(0.01) and all(process.is_alive() for process in processes):
                pass
            meanwhile()
            pause.over.set()
        deadline = time.monotonic() + LONGEST_RUN_SECONDS
        while ends and time.monotonic() < deadline:
            wait([process.sentinel for process in ends], timeout=1)
            for process in [each for each in ends if each.exitcode is not None]:
                os.close(ends.pop(process))
        for descriptor in ends.values():
            os.close(descriptor)
        stuck = [process for process in processes if process.is_alive()]
        for process in stuck:
            process.kill()
            process.join()
        text = log.read_text(errors="replace") if log.exists() else ""
        assert not stuck, f"a process hangs after the other's end\n{text}"
        lines = output.read_text().splitlines() if output.exists() else []
        last = json.loads(lines[-1]) if lines else None
        return Outcome(processes[0].exitcode or 0, processes[1].exitcode or 0, last, text)
