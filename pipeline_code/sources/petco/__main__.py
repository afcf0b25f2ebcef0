"""Runs the command line: ``python -m petco``."""

import sys

from petco.cli import main

sys.exit(main())
