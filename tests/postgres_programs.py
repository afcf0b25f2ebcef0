"""Where this machine has PostgreSQL's server programs, for tests and benchmarks that run a server of their own."""

from __future__ import annotations

from pathlib import Path

INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu keep them, by major version: 15 on Debian 12, 16 on Ubuntu 24.04, 17 on Debian 13."""


def server_programs(installed: Path = INSTALLED) -> Path:
    """Return the folder with initdb and postgres of the newest version; FileNotFoundError where there is none."""
    found = sorted(installed.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FileNotFoundError("PostgreSQL's server programs are needed: apt-get install postgresql")
    return found[-1].parent
