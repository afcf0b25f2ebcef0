"""dbt as a resource of Dagster, with a server that is started when a run needs dbt for the first time."""

import atexit
import os
import socket
import subprocess
import sys
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from dagster_dbt import DbtCliInvocation, DbtCliResource
from packaging.version import Version

from headwater_dagster.dbt_command.client import SOCKET, USUAL

CLIENT = Path(__file__).with_name("client.py")


class PreloadedDbt(DbtCliResource):
    """dbt as installed beside Dagster, imported once for all commands of a run.

    It skips two things that cost a run 6 CPU-s and give it nothing: `dbt --version` (a process, which also asks the
    internet for newer versions), and a second adapter within Dagster's process, which only serves row counts and column
    metadata fetched by dagster-dbt.
    """

    @property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Any) -> Any:  # noqa: ARG002
        return None

    def cli(self, args: Any, **options: Any) -> DbtCliInvocation:
        """Start the command; the server has to be there before."""
        ensure_server()
        return super().cli(args, **options)


@cache
def ensure_server() -> None:
    """Start the server of this process, once; it ends with this process. Clients find it by the environment."""
    folder = tempfile.mkdtemp(prefix="dbt-")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{folder}/socket")
    listener.listen()
    held, _ = os.pipe()  # its other end stays open as long as this process lives
    argv = [sys.executable, "-m", "headwater_dagster.dbt_command.server", str(listener.fileno()), str(held)]
    server = subprocess.Popen(argv, pass_fds=(listener.fileno(), held))
    listener.close()
    os.close(held)
    atexit.register(end, server)
    os.environ[SOCKET] = f"{folder}/socket"
    os.environ[USUAL] = os.fspath(Path(sys.executable).with_name("dbt"))


def end(server: "subprocess.Popen[bytes]") -> None:
    """End the server, which may still import."""
    server.terminate()
    server.wait()
