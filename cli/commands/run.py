"""`make run`: starts the pipeline, or follows the run in progress, and shows its progress."""

from __future__ import annotations

import time

from cli.command import STACK, Call, Command
from cli.platform.dagster import Dagster
from cli.platform.forward import reach
from cli.platform.kube import Kube
from localstack.console import Console, Step
from localstack.errors import LocalError

PIPELINE_S, LOCATION_S = 240, 180


def follow_run(dagster: Dagster, console: Console, title: str) -> None:
    """Start the pipeline (or join the run in progress) and follow it. Raises StepFailed with the run's errors."""
    with console.step(title, estimate_s=PIPELINE_S) as step:
        last = dagster.last()
        if last is not None and last.running:
            step.update(f"a run is in progress: {last.run_id}")
            run_id = last.run_id
        else:
            run_id = launch_when_loaded(dagster, step)
        _, progress = dagster.follow(run_id, step.update)
        console.timings += [(f"pipeline step {name}", seconds) for name, seconds in progress.seconds]


def launch_when_loaded(dagster: Dagster, step: Step, timeout_s: float = LOCATION_S) -> str:
    """Launch the pipeline once Dagster has loaded the code location, and return the run's id."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            run_id = dagster.launch()
        except LocalError as error:
            if time.monotonic() > deadline:
                raise
            step.update(f"waiting for the code location: {error}")
            time.sleep(2)
        else:
            step.update(f"started run {run_id}")
            return run_id


def run(call: Call) -> int:
    """Run the pipeline, and show which steps took longest."""
    with reach(Kube.asked(call), "dagster") as address:
        follow_run(Dagster(address), call.console, "Pipeline run")
    for name, seconds in call.console.slowest():
        call.console.say(f"  {seconds:7.1f} s  {name}")
    return 0


COMMAND = Command("run the pipeline and show its progress", "make run", run, [STACK])
