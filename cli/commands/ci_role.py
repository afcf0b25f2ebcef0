"""`make ci-role`: the roles with which CI previews and deploys a stack on AWS."""

from __future__ import annotations

from cli.command import Call, Command, Option
from cli.program import stack


def run(call: Call) -> int:
    """Run `pulumi up`, limited to the roles. It asks before it does."""
    name = call.required("stack", "of which stack?", "ci-role s=staging")
    targets = [f"--target={each}" for each in stack.ci_role_targets(name)]
    return stack.call(call.home, "up", *targets, name=name)


COMMAND = Command(
    "create the roles with which CI previews and deploys",
    "make ci-role s=staging",
    run,
    [Option("stack", "which stack", make="s")],
)
