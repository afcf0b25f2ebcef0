"""`make bench`: measures, and writes the figures into the pages."""

from __future__ import annotations

import sys

from cli import image_venv
from cli.command import Call, Command, Option, positive, truth
from cli.commands.test import install_packages
from localstack import process
from localstack.errors import UsageError
from localstack.home import CHECKOUT

CHOICES = ("platform", "dashboard", "ingestion", "changes", "large", "pods", "stores")


def check(only: str, *, restart: bool, scale: float | None) -> None:
    """Raise UsageError for an option that what is measured does not have."""
    if restart and only != "platform":
        raise UsageError(f"restart=: only the platform is restarted, not {only}")
    if scale is not None and only != "stores":
        raise UsageError(f"scale=: only the stores have one: make bench only=stores scale={scale:g}")


def run(call: Call) -> int:
    """Run the measurements in a Python that has what they need. When interrupted, they get time to clean up."""
    only, scale, home = call.options.only, call.options.scale, call.home
    check(only, restart=call.options.restart, scale=scale)
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
    if only == "stores":
        argv += ["--sources", str(image_venv.ensure(home, "sources", call.console))]
        argv += ["--scale", f"{1.0 if scale is None else scale:g}"]
    call.console.resume = f"make bench only={only}{'' if scale is None else f' scale={scale:g}'}"
    try:
        process.run(argv, call.console.say, env=home.environment(), cwd=CHECKOUT)
    except process.CommandFailed as failure:
        return failure.code
    return 0


COMMAND = Command(
    "measure platform, dashboard, ingestion or stores, write the figures into docs/", "make bench only=ingestion", run,
    [
        Option("only", "what", default="platform", choices=CHOICES),
        Option("restart", "also measure `make down` and the `make up` after it", kind=truth),
        Option("scale", "of the stores: 1 is 1,000,000 orders", kind=positive),
    ],
)  # fmt: skip
