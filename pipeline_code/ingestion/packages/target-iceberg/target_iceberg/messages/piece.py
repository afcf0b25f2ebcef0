"""A piece of a table that this process stores for another run, which adopts the file and commits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from target_iceberg.messages import pipe
from target_iceberg.messages.batches import local_path

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def is_piece(message: Mapping[str, Any]) -> bool:
    """Whether a message announces a piece."""
    match message:
        case {"type": "BATCH", "encoding": {"format": "piece", "place": dict()}, "manifest": [str()]}:
            return True
    return False


def store_piece(catalog: Catalog, message: Mapping[str, Any]) -> None:
    """Store what comes through the pipe at the place that the target of the run that leads has named; tell the tap."""
    from target_iceberg.files.part import file_name
    from target_iceberg.files.passage import Passage

    place = message["encoding"]["place"]
    path = local_path(message["manifest"][0])
    passing = pipe.ParquetPipe(path)
    passing.start()
    table = catalog.load_table(tuple(place["table"]))
    name = file_name(place["load"], place["run_id"], place["number"], f"-{place['attempt']}")
    stored = Passage.store(table, name, place["number"], passing.chunks(), place["columns"])
    pipe.answer(path, {"path": stored.path if stored.rows else None})
