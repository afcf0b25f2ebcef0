"""`python -m localstack.registry up|down|status|bases`."""

from __future__ import annotations

import sys

from localstack import registry
from localstack.console import Console
from localstack.home import Home


def main(words: list[str]) -> int:
    """Run one command; returns the exit code."""
    home = Home.default()
    match words:
        case ["up"]:
            registry.up(home, Console("registry", home.logs))
        case ["bases"]:
            console = Console("registry", home.logs)
            registry.up(home, console)
            registry.ensure_bases(home, console)
        case ["down"]:
            registry.down(home, Console("registry", home.logs))
        case ["status"]:
            print(f"registry {'answers' if registry.running(home) else 'is down'} at {registry.ADDRESS}")
            for argument, reference in registry.base_arguments(home).items():
                print(f"{argument}={reference}")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
