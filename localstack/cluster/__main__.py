"""`python -m localstack.cluster up|down|status|destroy`."""

from __future__ import annotations

import sys

from localstack import cluster
from localstack.cluster.status import daemons
from localstack.console import Console
from localstack.home import Home


def main(words: list[str]) -> int:
    """Run one command; returns the exit code."""
    home = Home.default()
    match words:
        case ["up"]:
            cluster.up(home, Console("cluster", home.logs))
        case ["down"]:
            cluster.down(home, Console("cluster", home.logs))
        case ["destroy"]:
            cluster.destroy(home)
        case ["status"]:
            for name, process in daemons(home).items():
                print(f"{name:26}{'runs' if process.alive() else 'is down'}")
            return 0 if cluster.running(home) else 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
