"""`make meltano`: Meltano in a Job of ingestion."""

from __future__ import annotations

from cli.command import STACK, Call, Command, Option, words
from cli.platform import jobs
from cli.platform.kube import Kube


def run(call: Call) -> int:
    """Run it, and show its log."""
    arguments = words(call, "config list")
    kube = Kube.asked(call)
    return jobs.run(kube, kube.platform.namespace, "ingestion", ["meltano"], arguments)


COMMAND = Command(
    "meltano in the platform, as a Job", 'make meltano a="run …"', run,
    [Option("arguments", "arguments for Meltano", make="a"), STACK],
)  # fmt: skip
