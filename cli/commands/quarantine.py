"""`make quarantine`: shows rows that could not be stored, and tries again to store them."""

from __future__ import annotations

from cli.command import STACK, Call, Command, Option
from cli.platform import findings, jobs
from cli.platform.kube import Kube


def run(call: Call) -> int:
    """Show rows that are set aside, or try those of a stream once more."""
    from cli.platform import lake

    kube = Kube.asked(call)
    stream = call.options.replay
    if stream is not None:
        return jobs.run(kube, kube.platform.namespace, "ingestion", ["target-iceberg-tables"], ["replay", stream])
    with lake.connected(kube) as connection:
        print("\n".join(findings.quarantine_lines(lake.rows(connection, findings.QUARANTINE))))
    return 0


COMMAND = Command(
    "rows that could not be stored", "make quarantine replay=orders", run,
    [Option("replay", "try the rows of this stream once more"), STACK],
)  # fmt: skip
