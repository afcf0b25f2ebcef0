"""The target's command."""

from __future__ import annotations

import gc
import logging
import signal
import sys

from headwater_singer import ConfigError

from target_iceberg import memory
from target_iceberg.messages.singer import InputError
from target_iceberg.settings import PROGRAM, Settings
from target_iceberg.target import Target

SWITCH_SECONDS = 0.0005
"""How long the importing thread lets others wait, a tenth of Python's default: the tap waits for its answer."""


def main() -> None:
    """Run the target."""
    parser = PROGRAM.parser()
    parser.add_argument("--input", metavar="FILE", help="read messages from a file, not from standard input")
    options = parser.parse_args()
    if PROGRAM.describe(options):
        return
    try:
        chosen = Settings.of(PROGRAM.config(options.config))
        lines = open(options.input if options.input else 0, encoding="utf-8")  # noqa: SIM115 - closed below
    except (ConfigError, OSError) as error:
        PROGRAM.fail(error)
    memory.give_back()
    gc.disable()  # until everything is imported
    sys.setswitchinterval(SWITCH_SECONDS)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s | %(levelname)-8s | {PROGRAM.name} | %(message)s")
    target = Target(chosen)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, target.discard)
    try:
        with lines:
            target.listen(lines)
    except InputError as error:
        PROGRAM.fail(error)


if __name__ == "__main__":
    main()
