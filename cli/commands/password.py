"""`make password`: the password of a Superset user."""

from __future__ import annotations

from cli.command import STACK, Call, Command, Option
from cli.platform.kube import Kube
from localstack.errors import not_allowed

USERS = ("admin", "editor", "viewer")


def run(call: Call) -> int:
    """Print it."""
    user = call.options.user
    if user not in USERS:
        raise not_allowed("u", user, USERS)
    print(Kube.asked(call).secret("superset-credentials", f"{user}-password"))
    return 0


COMMAND = Command(
    "the password of a Superset user", "make password u=viewer", run,
    [Option("user", "admin, editor or viewer", make="u", default="admin"), STACK],
)  # fmt: skip
