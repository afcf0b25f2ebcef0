"""A tap's command: its arguments, its messages, the settings that taps share, and the hand-over in bulk."""

from __future__ import annotations

import copy
import datetime as dt
import json
import logging
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlparse

from headwater_singer import ConfigError, Program, Setting, read_object

if TYPE_CHECKING:
    import pyarrow as pa

CAPABILITIES = ("about", "activate-version", "batch", "catalog", "discover", "state")
FORMATS = ("pipe", "arrow", "parquet")
"""Ways to hand rows over in bulk: `batch_config.encoding.format`."""


def _wrong_batches(batches: Any) -> str | None:
    match batches:
        case {"encoding": {"format": str(layout), **more}, "storage": {"root": str(), **place}, **others}:
            known = not more and not others and set(place) <= {"prefix"} and isinstance(place.get("prefix", ""), str)
            if known and layout in FORMATS:
                return None
    return (
        f"{batches!r}; it is {{encoding: {{format: one of {', '.join(FORMATS)}}}, storage: {{root: file:///…}}}}, and "
        "storage may have a prefix"
    )


BATCH_CONFIG = Setting(
    "batch_config",
    dict,
    "How rows are handed over in bulk; unset sends records. encoding.format: pipe (a named pipe, its content as the "
    "target wishes), arrow (a named pipe with an Arrow stream), parquet (files, for any target). storage.root: a local "
    "folder, file:///…; storage.prefix: what names begin with.",
    rule=_wrong_batches,
)
POSITIONS_FILE = Setting(
    "positions_file", str, "JSON file {stream: bookmark} of what the target has committed; it wins over the state."
)
REPLACES = Setting(
    "emit_activate_version_messages",
    bool,
    "Announce a complete read, so that the target replaces what it holds of the stream.",
    True,
)


class Output:
    """Singer messages on standard output, one JSON object a line."""

    def __init__(self) -> None:
        """Begin without a state."""
        self._state: dict[str, Any] | None = None

    def write(self, message: Mapping[str, Any]) -> None:
        """Write one message, at once."""
        sys.stdout.buffer.write(json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        sys.stdout.flush()

    def batch(self, stream: str, layout: str, manifest: list[str]) -> None:
        """Announce rows in bulk."""
        self.write({"type": "BATCH", "stream": stream, "encoding": {"format": layout}, "manifest": manifest})

    def records(self, stream: str, batch: pa.RecordBatch) -> None:
        """Write rows as RECORD messages: numbers with all digits, dates and times in ISO 8601."""
        import msgspec.json

        encode = msgspec.json.Encoder(decimal_format="number").encode
        for row in batch.to_pylist():
            record = {name: _plain(value) for name, value in row.items()}
            sys.stdout.buffer.write(encode({"type": "RECORD", "stream": stream, "record": record}) + b"\n")
        sys.stdout.flush()

    def state(self, value: dict[str, Any]) -> None:
        """Write a STATE message unless the last one said the same."""
        if value != self._state:
            self.write({"type": "STATE", "value": value})
            self._state = copy.deepcopy(value)


class Work(Protocol):
    """One run of a tap over all selected streams."""

    def discover(self) -> dict[str, Any]:
        """Return the catalog."""

    def sync(self, wanted: Mapping[str, Any] | None, state: Mapping[str, Any]) -> None:
        """Send what the catalog `wanted` selects (None: everything) from where `state` stands."""

    def close(self) -> None:
        """End the run."""


def main(program: Program, work_of: Callable[[Mapping[str, Any]], Work]) -> None:
    """Discover or sync, as the command line says. `work_of` takes the settings, with their defaults."""
    parser = program.parser()
    parser.add_argument("--discover", action="store_true", help="print the catalog")
    parser.add_argument("--catalog", metavar="FILE", help="catalog that says what is selected; without, everything is")
    parser.add_argument("--state", metavar="FILE", help="state of the last run")
    options = parser.parse_args()
    if program.describe(options):
        return
    try:
        config = program.config(options.config)
        wanted = None if options.catalog is None else read_object(Path(options.catalog))
        state = {} if options.state is None else read_object(Path(options.state))
    except ConfigError as error:
        program.fail(error)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s | %(levelname)-8s | {program.name} | %(message)s")
    work = work_of(config)
    try:
        if options.discover:
            sys.stdout.write(json.dumps(work.discover(), indent=2, ensure_ascii=False) + "\n")
        else:
            work.sync(wanted, state)
    finally:
        work.close()


def read_positions(path: str | None) -> dict[str, dict[str, Any]]:
    """Return {stream: bookmark} of what the target has committed, from the setting `positions_file`."""
    return dict(json.loads(Path(path).read_text(encoding="utf-8"))) if path else {}


def local_folder(root: str) -> Path:
    """Return the folder of a file:// URL or plain path, made if missing; ValueError for any other scheme."""
    url = urlparse(root)
    if url.scheme not in {"", "file"}:
        raise ValueError(f"batch_config.storage.root {root!r}: only a local folder (file:///…) can be used")
    folder = Path(unquote(url.path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _plain(value: Any) -> Any:
    """Return a value of Arrow for JSON. It has no NaN and no infinity, and its writers make null of them: texts."""
    if isinstance(value, dt.date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
