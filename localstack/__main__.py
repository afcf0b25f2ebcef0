"""`python -m localstack COMMAND`: see localstack/cli.py."""

import sys

from localstack.cli import main

sys.exit(main())
