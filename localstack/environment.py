"""`make env`: what a shell needs so that plain pulumi and kubectl mean this platform."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from localstack.home import Home


def export_lines(home: Home, environ: Mapping[str, str]) -> list[str]:
    """Return `export` lines for a POSIX shell: the variables that differ from `environ`, and PATH's new parts."""
    wanted = home.environment(environ)
    lines = [
        f"export {name}={shlex.quote(value)}"
        for name, value in sorted(wanted.items())
        if name != "PATH" and environ.get(name) != value
    ]
    ahead = [str(Path(sys.prefix) / "bin"), str(home.bin)]
    return [*lines, f'export PATH={shlex.quote(os.pathsep.join(ahead))}:"$PATH"']
