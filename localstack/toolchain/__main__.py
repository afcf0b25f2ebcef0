"""`python -m localstack.toolchain [plan]`: get the tools, or say what is to be done."""

from __future__ import annotations

import sys

from localstack import toolchain
from localstack.console import Console
from localstack.home import Home


def main(words: list[str]) -> int:
    """Run one command; returns the exit code."""
    home = Home.default()
    match words:
        case []:
            toolchain.ensure(home, Console("toolchain", home.logs))
        case ["plan"]:
            for item in toolchain.plan(home):
                print(f"{item.name:28}{item.action:9}{item.download_mb:5} MB{item.estimate_s:7.0f} s")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
