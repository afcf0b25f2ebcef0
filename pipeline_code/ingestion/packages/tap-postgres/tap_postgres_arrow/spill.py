"""Changes of the log on their way to the streams: by table, in files once they are many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_postgres_arrow import pgoutput
from tap_postgres_arrow.engine import SourceError
from tap_postgres_arrow.pgoutput import UNCHANGED, Value

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000
"""Changes of a table that are held in memory before they are written to the run's folder."""
BYTES = 16 << 20
"""Characters of values, likewise."""


@dataclass(frozen=True)
class Held:
    """A change: position and time of its commit, whether the row was removed, or moved here from the key before it."""

    lsn: int
    at: int
    removed: bool
    moved: bool
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Followed:
    """What has to be known of a table to take in its changes.

    `key` names the primary key, `present` the columns that every row of its log must have: what a row lacks of them
    would look like null. `anew` says why it is read in full all the same.
    """

    key: tuple[str, ...]
    present: frozenset[str] = frozenset()
    anew: str | None = None


@dataclass
class TableChanges:
    """The changes of one table that its stream has not followed yet, in files of the run's folder.

    `anew` says why these don't tell what the table holds: only a complete read does. `unsent`: whether there are rows
    whose large values the log does not repeat.
    """

    files: list[Path] = field(default_factory=list)
    anew: str | None = None
    unsent: bool = False


class Spill:
    """Takes in changes, table by table."""

    def __init__(self, folder: Path, followed: Mapping[str, Followed]) -> None:
        """Write to `folder`. followed: the tables whose changes are wanted."""
        self._folder, self._followed = folder, followed
        self._relations: dict[int, pgoutput.Relation] = {}
        self._held: dict[int, list[Held]] = {}
        self._bytes: dict[int, int] = {}
        self.tables = {name: TableChanges(anew=table.anew) for name, table in followed.items()}

    def name(self, relation: int) -> str | None:
        """Return the table of a relation that was described; None for one that is not followed."""
        return self._relations[relation].name if relation in self._relations else None

    def describe(self, relation: pgoutput.Relation) -> None:
        """Take in the columns of a table's changes from here on. Raises SourceError if they lack its key."""
        self._write(relation.number)
        self._relations.pop(relation.number, None)
        if (table := self._followed.get(relation.name)) is None:
            return
        self._relations[relation.number] = relation
        if missing := set(table.key) - relation.identity:
            raise SourceError(
                f"{relation.schema}.{relation.name}: its log lacks key columns {sorted(missing)} of removed rows: "
                f'alter table "{relation.schema}"."{relation.name}" replica identity default'
            )

    def add(self, change: pgoutput.Change, lsn: int, at: int) -> None:
        """Take in a change. One that changes the key is a removal, then a new row."""
        relation = self._relations[change.relation]
        found, table = self.tables[relation.name], self._followed[relation.name]
        if found.anew is not None:
            return
        if missing := table.present - set(relation.columns):
            self.renew(change.relation, f"its columns {sorted(missing)} had other names, or were not published")
            return
        new = None if change.new is None else self._completed(relation, change.old, change.new)
        moved = new is not None and change.old is not None and self._moved(relation, change.old, new)
        held = self._held.setdefault(change.relation, [])
        if change.old is not None and (new is None or moved):
            key = tuple(
                value if name in table.key else None for name, value in zip(relation.columns, change.old, strict=True)
            )
            held.append(Held(lsn, at, removed=True, moved=False, values=key))
        if new is not None:
            held.append(Held(lsn, at, removed=False, moved=moved, values=new))
            size = sum(len(value) for value in new if isinstance(value, str))
            self._bytes[change.relation] = self._bytes.get(change.relation, 0) + size
            found.unsent |= UNCHANGED in new
        if len(held) >= ROWS or self._bytes.get(change.relation, 0) >= BYTES:
            self._write(change.relation)

    def renew(self, relation: int, reason: str) -> None:
        """Forget a table's changes: it is to be read in full."""
        found = self.tables[self._relations[relation].name]
        found.anew = found.anew or reason
        self._held.pop(relation, None)
        for path in found.files:
            path.unlink()
        found.files.clear()

    def flush(self) -> None:
        """Write what is held."""
        for number in list(self._held):
            self._write(number)

    def _completed(
        self, relation: pgoutput.Relation, old: tuple[Value, ...] | None, new: tuple[Value, ...]
    ) -> tuple[Value, ...]:
        """Return a row with the values that an update left alone, as far as the old row has them."""
        if UNCHANGED not in new:
            return new
        if old is not None:
            new = tuple(
                before if value is UNCHANGED and name in relation.identity else value
                for name, before, value in zip(relation.columns, old, new, strict=True)
            )
        key = self._followed[relation.name].key
        if unknown := [n for n, value in zip(relation.columns, new, strict=True) if value is UNCHANGED and n in key]:
            raise SourceError(
                f"{relation.schema}.{relation.name}: its log lacks values of key columns {unknown}: "
                f'alter table "{relation.schema}"."{relation.name}" replica identity full'
            )
        return new

    def _moved(self, relation: pgoutput.Relation, old: tuple[Value, ...], new: tuple[Value, ...]) -> bool:
        """Whether the key of a row changed. With REPLICA IDENTITY FULL each old row is sent, most with the same key."""
        key = self._followed[relation.name].key
        return any(name in key and a != b for name, a, b in zip(relation.columns, old, new, strict=True))

    def _write(self, number: int) -> None:
        import pyarrow as pa

        held = self._held.pop(number, None)
        self._bytes.pop(number, None)
        if not held:
            return
        relation = self._relations[number]
        found = self.tables[relation.name]
        path = self._folder / f"changes-{number}-{len(found.files)}.arrow"
        batch = _batch(relation, held)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        found.files.append(path)


def _batch(relation: pgoutput.Relation, held: list[Held]) -> pa.RecordBatch:
    """Return changes as Arrow: fields of `Held`, names of unsent values, and texts in columns `value:<name>`."""
    import pyarrow as pa

    unsent = [
        [name for name, value in zip(relation.columns, each.values, strict=True) if value is UNCHANGED] for each in held
    ]
    columns: dict[str, Any] = {
        "lsn": pa.array([each.lsn for each in held], pa.int64()),
        "at": pa.array([each.at for each in held], pa.timestamp("us", "UTC")),
        "removed": pa.array([each.removed for each in held], pa.bool_()),
        "moved": pa.array([each.moved for each in held], pa.bool_()),
        "unsent": pa.array(unsent, pa.list_(pa.string())),
    }
    for index, name in enumerate(relation.columns):
        values = [each.values[index] for each in held]
        texts = [None if value is UNCHANGED else value for value in values]
        columns[f"value:{name}"] = pa.array(texts, pa.string())
    return pa.RecordBatch.from_pydict(columns)
