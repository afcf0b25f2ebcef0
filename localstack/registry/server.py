"""Starts and stops the registry process."""

from __future__ import annotations

import json
import shutil

from localstack import daemons
from localstack.console import Console
from localstack.daemons import Daemon
from localstack.errors import LocalError
from localstack.home import Home

HOST = "127.0.0.1"
PORT = 5000
ADDRESS = f"{HOST}:{PORT}"
READY_S = 20


def render_config(home: Home) -> str:
    """Configuration of the registry process; JSON is YAML."""
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(home.registry / "store")},
                "cache": {"blobdescriptor": "inmemory"},
                "delete": {"enabled": True},
            },
            "http": {"addr": ADDRESS},
        },
        indent=2,
    )


def daemon(home: Home) -> Daemon:
    """The registry's process."""
    return Daemon("registry", home.run, home.logs)


def answers(timeout_s: float = 2) -> bool:
    """Whether a registry answers at the address."""
    return daemons.answers(HOST, PORT, "/v2/", timeout_s)


def running(home: Home) -> bool:
    """Whether our registry runs and answers."""
    return daemon(home).alive() and answers()


def up(home: Home, console: Console) -> None:
    """Start the registry unless it runs; raises LocalError when the port is taken or it does not come up."""
    with console.step("Image registry", estimate_s=2) as step:
        process = daemon(home)
        if running(home):
            step.skip(f"runs at {ADDRESS}")
            return
        if not process.alive() and answers():
            raise LocalError(f"port {PORT} on {HOST} is taken by another registry: stop it (`ss -ltnp`), then go on")
        binary = shutil.which("docker-registry", path=home.environment()["PATH"])
        if binary is None:
            raise LocalError("docker-registry is missing: `make up` installs it")
        home.create()
        config = home.registry / "config.json"
        config.write_text(render_config(home))
        process.start([binary, "serve", config])
        process.wait("the registry", ADDRESS, answers, READY_S)
        step.update(f"answers at {ADDRESS}")


def down(home: Home, console: Console) -> None:
    """Stop the registry; the images stay."""
    with console.step("Stop the image registry") as step:
        if not daemon(home).alive():
            step.skip("does not run")
        daemon(home).stop(grace_s=10)


def destroy(home: Home) -> None:
    """Stop the registry and remove its images."""
    daemon(home).stop(grace_s=10)
    if home.registry.exists():
        shutil.rmtree(home.registry)
