"""`make password`: the password of a user of Superset or Trino."""

from __future__ import annotations

from cli.command import STACK, Call, Command, Option
from cli.platform.kube import Kube
from localstack.errors import not_allowed

USERS = ("admin", "editor", "viewer")


def run(call: Call) -> int:
    """Print it."""
    # Imported here: `make help` is to answer at once.
    from cli.platform import lake

    user = call.options.user
    if call.options.service == "trino":
        print(lake.password(Kube.asked(call), user))
        return 0
    if user not in USERS:
        raise not_allowed("u", user, USERS)
    print(Kube.asked(call).secret("superset-credentials", f"{user}-password"))
    return 0


COMMAND = Command(
    "the password of a user of Superset or Trino", "make password u=viewer", run,
    [
        Option("user", "of Superset admin, editor or viewer; of Trino admin or developer", make="u", default="admin"),
        Option("service", "whose user", make="c", default="superset", choices=("superset", "trino")),
        STACK,
    ],
)  # fmt: skip
