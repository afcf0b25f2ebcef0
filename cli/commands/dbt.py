"""`make dbt`: dbt in the running platform, in schemas of the developer's own."""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Mapping

from cli.command import STACK, Call, Command, Option, words
from cli.platform.kube import Kube

FOLDER = "/opt/transformation"


def developer(environment: Mapping[str, str]) -> str:
    """Return whose schemas dbt builds: HEADWATER_DEVELOPER, a person or a branch, else who is logged in.

    Lower-case letters, digits and underscores; other characters become underscores.
    """
    name = environment.get("HEADWATER_DEVELOPER") or environment.get("SUDO_USER") or getpass.getuser()
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "nobody"


def run(call: Call) -> int:
    """Run dbt in Dagster's code server. It can't build production: that is for Dagster's runs."""
    arguments = words(call, "build")
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    script = (
        f"cd {FOLDER} && export HEADWATER_DEVELOPER={developer(os.environ)} "
        'DBT_TARGET_PATH=${TMPDIR:-/tmp}/dbt/target DBT_LOG_PATH=${TMPDIR:-/tmp}/dbt/logs && exec dbt "$@"'
    )
    kube = Kube.asked(call)
    where = ["-n", kube.platform.namespace, "deploy/dagster-code"]
    return kube.call("exec", *terminal, *where, "--", "sh", "-c", script, "dbt", *arguments)


COMMAND = Command(
    "dbt in the platform, in schemas of your own", 'make dbt a="build"', run,
    [Option("arguments", "arguments for dbt", make="a"), STACK],
)  # fmt: skip
