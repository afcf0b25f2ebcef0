"""`make trino`: one query, or a prompt for queries."""

from __future__ import annotations

from cli.command import STACK, Call, Command, Option
from cli.platform.kube import Kube


def run(call: Call) -> int:
    """Run the statements, or show the prompt."""
    # Imported here: `make help` is to answer at once.
    from cli.platform import lake, sql_prompt

    with lake.connected(Kube.asked(call), call.options.user) as connection:
        return sql_prompt.run(connection, call.options.query, call.home.state / "trino-history")


COMMAND = Command(
    "SQL prompt, or one query", 'make trino q="select 1"', run,
    [
        Option("query", "statements to run instead of a prompt", make="q"),
        Option("user", "the user to log in as, if Trino requires a login", make="u", default="admin"),
        STACK,
    ],
)  # fmt: skip
