"""`python -m cli.reference` names the generated files that are out of date; its exit status is 1 if there are any."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.reference.files import stale

if __name__ == "__main__":
    found = stale(Path.cwd())
    for name in found:
        print(f"{name} does not match the settings: `make docs` updates it")
    sys.exit(1 if found else 0)
