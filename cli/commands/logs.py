"""`make logs`: the logs of a part of the platform."""

from __future__ import annotations

from cli.command import STACK, Call, Command, Option, count, truth
from cli.platform.kube import Kube
from cli.platform.status import components
from localstack.errors import UsageError, not_allowed


def run(call: Call) -> int:
    """Show the newest lines of all pods of the component, and those that come."""
    kube = Kube.asked(call)
    known = components([pod for namespace in kube.platform.namespaces for pod in kube.get("pods", namespace)])
    component = call.options.component
    if component is None:
        raise UsageError(f"whose logs? c=… is one of: {', '.join(sorted(known))}")
    if component not in known:
        raise not_allowed("c", component, known)
    namespace, selector = known[component]
    follow = ["--follow"] if call.options.follow else []
    return kube.call(
        "logs", "-n", namespace, "-l", selector, "--all-containers", "--prefix", "--max-log-requests=30",
        f"--tail={call.options.lines}", *follow,
    )  # fmt: skip


COMMAND = Command(
    "logs of a component", "make logs c=trino f=1", run,
    [
        Option("component", "whose logs", make="c"),
        Option("follow", "follow the log: show new lines as they come", make="f", kind=truth),
        Option("lines", "how many of the newest lines", make="n", kind=count, default=200),
        STACK,
    ],
)  # fmt: skip
