"""`make bench`: measures, and writes docs/benchmarks.md."""

from __future__ import annotations

import subprocess
import sys

from cli import image_venv
from cli.command import Call, Command, Option, truth
from cli.commands.test import install_packages
from localstack.home import CHECKOUT

PARTS = ("platform", "dashboard", "ingestion", "changes", "large", "pods")


def run(call: Call) -> int:
    """Run the measurements in a Python that has what they need."""
    only, home = call.options.only, call.home
    if only == "platform":
        argv = [sys.executable, "-m", "tests.benchmarks.measure", *(["--restart"] if call.options.restart else [])]
    elif only == "dashboard":
        install_packages(home, call.console, ("platform",))
        argv = [sys.executable, "-m", "tests.benchmarks.dashboard"]
    else:
        python = image_venv.ensure(home, "ingestion", call.console)
        module = "changes" if only == "large" else only
        argv = [sys.executable, "-m", f"tests.benchmarks.{module}", "--python", str(python), "--cache"]
        argv += [str(home.cache / "bench"), "--write", *(["--large"] if only == "large" else [])]
    return subprocess.run(argv, env=home.environment(), cwd=CHECKOUT, check=False).returncode


COMMAND = Command(
    "measure platform, dashboard or ingestion, write docs/benchmarks.md", "make bench only=ingestion", run,
    [
        Option("only", "what", default="platform", choices=PARTS),
        Option("restart", "also measure `make down` and the `make up` after it", kind=truth),
    ],
)  # fmt: skip
