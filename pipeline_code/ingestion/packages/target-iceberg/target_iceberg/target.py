"""The target: takes any messages of a tap, and passes them to the run.

Importing pyiceberg costs as much CPU as moving half a million rows. So the catalog is connected in a thread, while the
tap starts and writes its first rows.
"""

from __future__ import annotations

import datetime as dt
import gc
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from target_iceberg import memory
from target_iceberg.imports import rarely_used
from target_iceberg.messages import singer
from target_iceberg.messages.batches import FORMATS, Batch, contract_or_default
from target_iceberg.messages.piece import is_piece, store_piece
from target_iceberg.messages.singer import InputError
from target_iceberg.settings import Settings

if TYPE_CHECKING:
    from target_iceberg.rows.intake import Intake
    from target_iceberg.rows.refusal import Refusal
    from target_iceberg.run import Run

HELD_BYTES = 32 << 20
"""Of all streams' records, as JSON, that are held at a time; as Python's objects they take three to five times that."""


def connect(chosen: Settings, loaded_at: dt.datetime) -> Run:
    """Return a run on the connected catalog."""
    with rarely_used():
        from target_iceberg import lake
        from target_iceberg.run import Run

    catalog = lake.connect(chosen.catalog)
    # Nothing of what was imported is ever freed: it need not be looked at again. A load of 30,000 records
    # (`target-iceberg < FILE`, 5 pairs in turn, busy machine): 2.89 CPU-s; without this and disable() 3.20.
    gc.freeze()
    gc.enable()
    return Run(chosen, catalog, loaded_at)


class Target:
    """Takes messages. A stream's records are held until there are enough of them to be written together."""

    def __init__(self, chosen: Settings) -> None:
        """Begin to connect."""
        self._settings = chosen
        self._loaded_at = dt.datetime.now(dt.UTC)
        self._connecting = ThreadPoolExecutor(1, "connect").submit(connect, chosen, self._loaded_at)
        self._schemas: dict[str, dict[str, Any]] = {}
        self._intakes: dict[str, Intake | Refusal] = {}
        self._waiting: list[dict[str, Any]] = []
        self._held: dict[str, list[Mapping[str, Any]]] = {}
        self._held_bytes = 0

    @property
    def run(self) -> Run:
        """The run; what came before it was connected has been taken."""
        run = self._connecting.result()
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self._take(run, message)
        return run

    def listen(self, lines: Iterable[str]) -> None:
        """Take all messages, publish, and let go of the state.

        Raises InputError for a line that is none, and what `Run.raise_for` raises.
        """
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                self._receive(singer.read(line), len(line))
            except InputError as error:
                self.run.discard()
                raise InputError(f"line {number} of the input: {error}; nothing was loaded") from error
        run = self.run
        self._write_held(*self._held)
        failures = run.finish()
        if run.state:
            write_state(run.state)
        run.raise_for(failures)

    def discard(self, number: int, _frame: object) -> None:
        """End on a signal, without a commit and without a state: the next run starts where this one did."""
        if self._connecting.done() and self._connecting.exception() is None:
            self._connecting.result().discard()
        raise SystemExit(128 + number)

    def _receive(self, message: dict[str, Any], size: int) -> None:
        """Take a message at once, or keep it until the catalog is connected. `size` is its line's."""
        kind, stream = message["type"], message.get("stream")
        if kind == "SCHEMA":
            if self._schemas.get(message["stream"]) == message:
                return
            self._schemas[message["stream"]] = message
        elif kind != "STATE" and stream not in self._schemas and not is_piece(message):
            raise InputError(f"{kind} of stream {stream!r} before its SCHEMA")
        if kind == "RECORD":
            self._record(self.run, message, size)
        elif is_piece(message):
            store_piece(self.run.catalog, message)
        elif kind == "BATCH":
            self._batch(message)
        elif self._connecting.done():
            self._take(self.run, message)
        else:
            self._waiting.append(message)

    def _record(self, run: Run, message: dict[str, Any], size: int) -> None:
        stream = message["stream"]
        if stream not in self._intakes:  # `quarantine`
            run.set_aside(message["record"])
            return
        run.opens(stream)
        held = self._held.setdefault(stream, [])
        held.append(message["record"])
        self._held_bytes += size
        if len(held) >= self._settings.batch_size_rows:
            self._write_held(stream)
        if self._held_bytes >= HELD_BYTES:
            self._write_held(*self._held)

    def _write_held(self, *streams: str) -> None:
        """Write the records that are held of these streams."""
        for stream in streams:
            if records := self._held.pop(stream, None):
                memory.keep()
                self._intakes[stream].write_records(records)
        if not self._held:
            self._held_bytes = 0

    def _batch(self, message: dict[str, Any]) -> None:
        stream, encoding = message["stream"], message["encoding"]
        if encoding.get("format") not in FORMATS:
            raise InputError(f"BATCH of {stream}: format {encoding.get('format')!r}; known are {', '.join(FORMATS)}")
        contract = contract_or_default(self._settings.contracts, stream)
        batch = Batch(encoding, message["manifest"], contract, self._loaded_at)
        run = self.run
        self._write_held(stream)
        run.opens(stream)
        batch.store(self._intakes[stream])

    def _take(self, run: Run, message: dict[str, Any]) -> None:
        from target_iceberg.quarantine import rejected as quarantine

        match message["type"]:
            case "SCHEMA" if quarantine.is_announced(message):
                pass
            case "SCHEMA":
                stream = message["stream"]
                self._write_held(stream)  # by the schema that they came with
                keys = message.get("key_properties") or ()
                self._intakes[stream] = run.intake_for(stream, message["schema"], keys)
            case "STATE":
                for stream in run.take_state(message["value"]):
                    self._held.pop(stream, None)
            case "ACTIVATE_VERSION":
                run.opens(message["stream"])
                self._intakes[message["stream"]].replace()


def write_state(state: Mapping[str, Any]) -> None:
    """Let go of the state, with all digits of its numbers."""
    from target_iceberg.rows.values import json_text

    sys.stdout.write(json_text(state) + "\n")
    sys.stdout.flush()
