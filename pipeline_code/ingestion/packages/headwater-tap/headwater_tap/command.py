"""A tap's command without the Singer SDK: its arguments, its messages, and the settings of a hand-over in bulk.

Importing the SDK costs as much CPU as moving a million rows; a bulk run needs nothing of it.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

FORMATS = ("pipe", "arrow", "parquet")
"""Ways to hand rows over in bulk: `batch_config.encoding.format`."""


class Output:
    """Singer messages on standard output, one JSON object a line."""

    def __init__(self) -> None:
        """Begin without a state."""
        self._state: dict[str, Any] | None = None

    def write(self, message: Mapping[str, Any]) -> None:
        """Write one message, at once."""
        sys.stdout.buffer.write(json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        sys.stdout.flush()

    def state(self, value: dict[str, Any]) -> None:
        """Write a STATE message unless the last one said the same."""
        if value != self._state:
            self.write({"type": "STATE", "value": value})
            self._state = copy.deepcopy(value)


def parse(arguments: Sequence[str]) -> argparse.Namespace | None:
    """Return what a Singer command line asks for; None for one that is not about a plain run or discovery."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", action="append", default=[])
    parser.add_argument("--catalog")
    parser.add_argument("--state")
    parser.add_argument("--discover", action="store_true")
    try:
        options, others = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return None
    files = [*options.config, options.catalog, options.state]
    return None if others or not all(Path(name).is_file() for name in files if name is not None) else options


def read_config(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of all `--config` files; a later file wins."""
    given: dict[str, Any] = {}
    for name in options.config:
        given |= json.loads(Path(name).read_text(encoding="utf-8"))
    return given


class Work(Protocol):
    """One run of a tap over all selected streams."""

    def discover(self) -> dict[str, Any]:
        """Return the catalog."""

    def sync(self, wanted: Mapping[str, Any] | None, state: Mapping[str, Any]) -> None:
        """Send what the catalog `wanted` selects (None: everything) from where `state` stands."""

    def close(self) -> None:
        """End the run."""


def run(work: Work, arguments: argparse.Namespace) -> None:
    """Discover or sync, as `parse` has found, and close."""
    try:
        if arguments.discover:
            sys.stdout.write(json.dumps(work.discover(), indent=2, ensure_ascii=False) + "\n")
            return
        wanted = None if arguments.catalog is None else json.loads(Path(arguments.catalog).read_text(encoding="utf-8"))
        state = {} if arguments.state is None else json.loads(Path(arguments.state).read_text(encoding="utf-8"))
        work.sync(wanted, state)
    finally:
        work.close()


def is_bulk(batches: Any) -> bool:
    """Whether a `batch_config` hands rows over in one of FORMATS, and says nothing else."""
    match batches:
        case {"encoding": {"format": str(layout), **more}, "storage": {"root": str(), **place}, **others}:
            known = not more and not others and set(place) <= {"prefix"} and isinstance(place.get("prefix", ""), str)
            return known and layout in FORMATS
        case _:
            return False


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
