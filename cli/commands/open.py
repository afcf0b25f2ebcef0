"""`make open`: shows the addresses of the web pages, and opens them in a browser if there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack

from cli.command import STACK, Call, Command
from cli.platform.forward import port_forward
from cli.platform.kube import Kube


def run(call: Call) -> int:
    """Show where the pages are; forward the ports of those that are at no address of this machine, until Ctrl-C."""
    opener = shutil.which("xdg-open") if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") else None
    kube = Kube.of(call.home, call.options.stack)
    platform = kube.platform
    with ExitStack() as forwards:
        ports = {
            each.name: forwards.enter_context(port_forward(kube, each, each.node_port)) for each in platform.forwarded
        }
        print("\n".join(platform.lines(ports)))
        if not platform.endpoint("superset").page:
            shows = platform.make("password")
            print(f"Log in to Superset as admin, editor or viewer; `{shows}` shows the password.")
        if opener is not None:
            subprocess.run([opener, platform.endpoint("superset").url(ports.get("superset"))], check=False)
        if ports:
            print("Forwarding; Ctrl-C ends it.", flush=True)
            while True:
                time.sleep(3600)
    return 0


COMMAND = Command("show the addresses, and open them in a browser if there is one", "make open", run, [STACK])
