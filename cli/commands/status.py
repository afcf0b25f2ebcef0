"""`make status`: whether everything is healthy: workloads, addresses, last run, age of the data, open findings."""

from __future__ import annotations

import time

from cli.command import STACK, Call, Command
from cli.platform import findings, status
from cli.platform.dagster import Dagster
from cli.platform.forward import reach
from cli.platform.kube import Kube
from localstack import aws
from localstack.errors import LocalError


def run(call: Call) -> int:
    """Show it; return 1 where something is not well."""
    from cli.platform import lake

    kube = Kube.of(call.home, call.options.stack)
    platform = kube.platform
    emulator = aws.status_line(call.home) if platform.context is None else None
    if emulator is not None:
        print(emulator)
    problem = kube.problem()
    if problem is not None:
        print(f"{problem[0].upper()}{problem[1:]}.")
        return 1
    now = time.time()
    rows = status.gather(kube, now)
    if not rows:
        deploys = "make up" if platform.stack == "dev" else f"pulumi up -s {platform.stack}"
        print(f"The cluster runs, but nothing is deployed; `{deploys}` deploys.")
        return 1
    print("\n".join(status.render_workloads(rows)))
    print("\nAddresses" + (f" (while `{platform.make('open')}` runs)" if platform.forwarded else ""))
    print("\n".join(platform.lines()) + "\n")
    try:
        with reach(kube, "dagster") as address:
            print("\n".join(status.pipeline_lines(Dagster(address), now)))
    except LocalError as error:
        print(f"Pipeline: unknown: {error}")
    print("".join(f"{line}\n" for line in status.progress_lines(kube)), end="")
    try:
        with lake.connected(kube) as connection:
            print("\n".join(findings.finding_lines(lake.rows(connection, findings.FINDINGS))))
    except LocalError as error:
        print(f"Sources:  unknown: {error}")
    return 0 if all(row.healthy for row in rows) else 1


COMMAND = Command("workloads, addresses, last run, age of the data, open findings", "make status", run, [STACK])
