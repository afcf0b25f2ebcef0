"""Values that the log does not repeat: large ones (TOAST) that an update did not change, and generated columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tap_postgres_arrow.columns import quoted
from tap_postgres_arrow.engine import SourceError, literal
from tap_postgres_arrow.source import Source, Table
from tap_postgres_arrow.spill import TableChanges

KEYS = 500
"""Keys that the source is asked for at once: as many large values are held in memory."""

Key = tuple[str, ...]
Texts = dict[str, list[str | None]]
"""Values by column, as PostgreSQL prints them."""


class Unsent:
    """Finds the values of a table's changes, which are told to it in their order.

    A value is that of an earlier change of the row in this run; else the table's own, which is of the end of this run:
    what changed it since, or removed the row, follows in a later change.
    """

    def __init__(
        self, changes: TableChanges, source: Source, table: Table, types: Mapping[str, str], generated: frozenset[str]
    ) -> None:
        """Take the changes to come. types: SQL type by column; generated: columns that the log never has."""
        self._source, self._table, self._types, self._generated = source, table, types, generated
        self._files = list(changes.files)
        self._key = table.primary_key
        self._earlier: dict[Key, dict[str, tuple[pa.Array, int]]] = {}
        self._needed = frozenset(self._keys_of_unsent()) if changes.unsent else frozenset()
        self._removals: dict[Key, int] | None = None
        self._seen = 0

    def fill(self, batch: pa.RecordBatch, found: Texts) -> None:
        """Put the unsent values of the next changes into `found`, the values of the selected columns and of the key.

        Raises SourceError for a value that is nowhere, of a row that nothing has removed since.
        """
        unsent = self._by_row(batch, found)
        keys: list[Key] = list(zip(*(found[name] for name in self._key), strict=True))
        if self._needed:
            self._take_earlier(batch, found, unsent, keys)
        rows = [row for row, names in enumerate(unsent) if names]
        if rows:
            current = self._current({keys[row] for row in rows}, sorted({name for row in rows for name in unsent[row]}))
            for row in rows:
                values = current.get(keys[row])
                if values is None and self._removed_last(keys[row]) <= self._seen + row:
                    raise SourceError(
                        f"{self._table.relation}, column {', '.join(sorted(unsent[row]))}: the log does not repeat the "
                        f"value of the row with key {dict(zip(self._key, keys[row], strict=True))}, and neither does "
                        "the table have the row, nor the log its removal. Run again; if it stays so, read the table in "
                        "full once (headwater-ingest --full-refresh)"
                    )
                for name in unsent[row]:
                    found[name][row] = None if values is None else values[name]
        self._seen += batch.num_rows

    def _by_row(self, batch: pa.RecordBatch, found: Texts) -> list[set[str]]:
        """Return the columns of each row that have no value yet."""
        missing = {name for name in self._generated if name in found and f"value:{name}" not in batch.schema.names}
        removed = batch.column("removed").to_pylist()
        unsent = batch.column("unsent").to_pylist()
        return [
            set() if gone else missing | found.keys() & set(names) for gone, names in zip(removed, unsent, strict=True)
        ]

    def _take_earlier(self, batch: pa.RecordBatch, found: Texts, unsent: list[set[str]], keys: list[Key]) -> None:
        """Take values of earlier changes of the same row, and note those of these changes."""
        former: dict[str, tuple[pa.Array, int]] = {}
        sent = [name for name in found if name not in self._key and f"value:{name}" in batch.schema.names]
        columns = zip(batch.column("removed").to_pylist(), batch.column("moved").to_pylist(), strict=True)
        for row, (removed, moved) in enumerate(columns):
            if keys[row] not in self._needed:
                continue
            if removed:
                former = self._earlier.pop(keys[row], {})
                continue
            earlier = former if moved else self._earlier.get(keys[row], {})
            now = {name: (batch.column(f"value:{name}"), row) for name in sent if name not in unsent[row]}
            for name in list(unsent[row] & earlier.keys()):
                column, at = now[name] = earlier[name]
                found[name][row] = column[at].as_py()
                unsent[row].discard(name)
            self._earlier[keys[row]] = now

    def _keys_of_unsent(self) -> Iterator[Key]:
        """Yield the keys of rows with unsent values, and those that they had before."""
        for batch in batches(self._files):
            unsent, moved = batch.column("unsent").to_pylist(), batch.column("moved").to_pylist()
            keys = list(zip(*self._texts(batch), strict=True))
            for row, names in enumerate(unsent):
                if names:
                    yield keys[row]
                    if moved[row]:
                        yield keys[row - 1]

    def _removed_last(self, key: Key) -> int:
        """Return the number of the last change that removed a key; -1 if none did."""
        if self._removals is None:
            self._removals = {}
            first = 0
            for batch in batches(self._files):
                for row, gone in enumerate(batch.column("removed").to_pylist()):
                    if gone:
                        self._removals[tuple(texts[row] for texts in self._texts(batch))] = first + row
                first += batch.num_rows
        return self._removals.get(key, -1)

    def _texts(self, batch: pa.RecordBatch) -> list[list[Any]]:
        return [batch.column(f"value:{name}").to_pylist() for name in self._key]

    def _current(self, keys: set[Key], names: Sequence[str]) -> dict[Key, dict[str, str | None]]:
        """Return values of the table by key. Keys are compared by their types' equality, which is not that of text."""
        wanted = sorted(keys)
        current = {}
        # concat() prints as the log does; a cast to text would cut blanks off, and spell booleans out.
        items = [f"case when t.{quoted(each)} is not null then concat(t.{quoted(each)}) end" for each in names]
        selected = ", ".join(f"{item} as v{number}" for number, item in enumerate(items))
        same = " and ".join(f"t.{quoted(name)} = w.k{number}" for number, name in enumerate(self._key))
        names_of_keys = ", ".join(f"k{number}" for number in range(len(self._key)))
        for start in range(0, len(wanted), KEYS):
            some = wanted[start : start + KEYS]
            values = ", ".join(
                f"({number}, "
                + ", ".join(f"{literal(text)}::{self._types[name]}" for name, text in zip(self._key, key, strict=True))
                + ")"
                for number, key in enumerate(some)
            )
            rows = self._source.connection.query(
                f"select w.n as n, {selected} from (values {values}) as w(n, {names_of_keys}) "  # noqa: S608 - quoted
                f"join {self._table.sql} t on {same}"
            )
            current.update({some[number]: dict(zip(names, texts, strict=True)) for number, *texts in rows})
        return current


def batches(files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """Yield what Spill wrote, in pieces of up to KEYS rows, without copying it into memory."""
    for path in files:
        with pa.memory_map(str(path)) as mapped:
            reader = pa.ipc.open_file(mapped)
            for index in range(reader.num_record_batches):
                whole = reader.get_batch(index)
                for start in range(0, whole.num_rows, KEYS):
                    yield whole.slice(start, KEYS)
