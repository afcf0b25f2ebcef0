"""The target's command: bulk messages need no SDK; from the first record on, its classes take over.

Importing the SDK costs as much CPU as moving a million rows, importing pyiceberg half as much. So the catalog is
connected in a thread, while the tap starts and writes its first rows. What is not done here is left to target.py:
records, stream maps, --about, and telling what is wrong with a configuration.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import itertools
import json
import logging
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_iceberg import memory, settings
from target_iceberg.imports import rarely_used
from target_iceberg.messages.batches import FORMATS, Batch, contract_or_default
from target_iceberg.messages.piece import is_piece, store_piece
from target_iceberg.settings import Settings

if TYPE_CHECKING:
    from target_iceberg.rows.intake import Intake, Refusal
    from target_iceberg.run import Run

NAME = "target-iceberg"
SWITCH_SECONDS = 0.0005
"""How long the importing thread lets others wait, a tenth of Python's default: the tap waits for its answer."""
_METADATA = "_sdc_"
"""Columns that the SDK adds or removes begin so."""


def connect(chosen: Settings, loaded_at: dt.datetime) -> Run:
    """Return a run on the connected catalog."""
    with rarely_used():
        from target_iceberg import lake
        from target_iceberg.run import Run

    catalog = lake.connect(chosen.catalog)
    gc.freeze()  # nothing of what was imported is ever freed: it need not be looked at again
    gc.enable()
    return Run(chosen, catalog, loaded_at)


class BulkTarget:
    """Takes the messages of a tap that sends bulk messages."""

    def __init__(self, config: Mapping[str, Any], chosen: Settings) -> None:
        """Begin to connect."""
        self._config, self._settings = config, chosen
        self._loaded_at = dt.datetime.now(dt.UTC)
        self._connecting = ThreadPoolExecutor(1, "connect").submit(connect, chosen, self._loaded_at)
        self._schemas: dict[str, dict[str, Any]] = {}
        self._intakes: dict[str, Intake | Refusal] = {}
        self._waiting: list[dict[str, Any]] = []

    @property
    def run(self) -> Run:
        """The run; what came before it was connected has been taken."""
        run = self._connecting.result()
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self._take(run, message)
        return run

    def listen(self, lines: Iterator[str]) -> None:
        """Take all messages, publish, and let go of the state. Raises what `Run.raise_for` raises."""
        for line in lines:
            message = json.loads(line)
            if not self._is_plain(message):
                self._continue_with_the_sdk(itertools.chain([line], lines))
                return
            if is_piece(message):
                store_piece(self.run.catalog, message)
            elif message["type"] == "BATCH":
                self._batch(message)
            elif self._connecting.done():
                self._take(self.run, message)
            else:
                self._waiting.append(message)
        run = self.run
        failures = run.finish()
        if run.state:
            write_state(run.state)
        run.raise_for(failures)

    def _is_plain(self, message: Mapping[str, Any]) -> bool:
        match message:
            case {"type": "BATCH", "encoding": {"format": layout}}:
                return layout in FORMATS or is_piece(message)
            case {"type": "SCHEMA", "stream": str(), "schema": {"properties": dict(properties)}}:
                return not any(name.startswith(_METADATA) for name in properties)
            case {"type": "RECORD", "stream": "quarantine"}:
                return True
            case {"type": "STATE", "value": dict()} | {"type": "ACTIVATE_VERSION", "stream": str()}:
                return True
        return False

    def _batch(self, message: Mapping[str, Any]) -> None:
        stream = message["stream"]
        contract = contract_or_default(self._settings.contracts, stream)
        batch = Batch(message["encoding"]["format"], message["manifest"], contract, self._loaded_at)
        run = self.run
        run.opens(stream)
        batch.store(self._intakes[stream])

    def _take(self, run: Run, message: dict[str, Any]) -> None:
        from target_iceberg.quarantine import rejected as quarantine

        match message["type"]:
            case "RECORD":
                run.set_aside(message["record"])
            case "SCHEMA" if quarantine.is_announced(message):
                pass
            case "SCHEMA":
                stream = message["stream"]
                if self._schemas.get(stream) != message:
                    self._schemas[stream] = message
                    keys = message.get("key_properties") or ()
                    self._intakes[stream] = run.intake_for(stream, message["schema"], keys)
            case "STATE":
                run.take_state(message["value"])
            case "ACTIVATE_VERSION":
                run.opens(message["stream"])
                self._intakes[message["stream"]].replace()

    def _continue_with_the_sdk(self, lines: Iterator[str]) -> None:
        memory.keep()
        from target_iceberg.messages.target import TargetIceberg

        target = TargetIceberg(config=dict(self._config), run=self.run)
        target.go_on(self._schemas.values(), lines)

    def discard(self, number: int, _frame: object) -> None:
        """End on a signal, without a commit and without a state: the next run starts where this one did."""
        if self._connecting.done() and self._connecting.exception() is None:
            self._connecting.result().discard()
        raise SystemExit(128 + number)


def write_state(state: Mapping[str, Any]) -> None:
    """Let go of the state."""
    sys.stdout.write(json.dumps(state) + "\n")
    sys.stdout.flush()


def parse(arguments: Sequence[str]) -> list[str] | None:
    """Return the configuration files of a command line; None for one that asks for anything else."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", action="append", default=[])
    try:
        options, others = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return None
    return None if others or not all(Path(name).is_file() for name in options.config) else list(options.config)


def main() -> None:
    """Run the target."""
    files = parse(sys.argv[1:])
    config: dict[str, Any] = {}
    for name in files or ():
        config |= json.loads(Path(name).read_text(encoding="utf-8"))
    chosen = None if files is None else settings.for_bulk(config)
    if chosen is None:
        from target_iceberg.messages.target import TargetIceberg

        TargetIceberg.cli()
        return
    memory.give_back()
    gc.disable()  # until everything is imported
    sys.setswitchinterval(SWITCH_SECONDS)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s | %(levelname)-8s | {NAME} | %(message)s")
    target = BulkTarget(config, chosen)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, target.discard)
    target.listen(line for line in sys.stdin if line.strip())


if __name__ == "__main__":
    main()
