"""Change data capture: what PostgreSQL's log says about the tables of a publication, through a replication slot.

The slot is peeked at, never consumed: what a run reads is still there if the run dies. The slot moves on at the start
of a later run, past what the lake has committed by then, so that the source keeps its log no longer than needed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_postgres_arrow import pgoutput
from tap_postgres_arrow.engine import Connection, SourceError, literal
from tap_postgres_arrow.trust import trust

if TYPE_CHECKING:
    import pyarrow as pa

LSN = "_sdc_lsn"
DELETED_AT = "_sdc_deleted_at"
SPILL_ROWS = 10_000
"""Changes of a table that are held in memory before they are written to the run's folder."""

_SERVER = """
select current_setting('wal_level') as level, current_setting('max_slot_wal_keep_size') as keep,
       (pg_current_wal_flush_lsn() - '0/0')::bigint as flushed,
       case when has_function_privilege('pg_control_system()', 'execute')
            then (select system_identifier::text from pg_control_system()) end as system
"""


Held = tuple[int, int, bool, tuple[pgoutput.Value, ...]]
"""A change: position and time of its commit, whether the row was removed, and the row."""


@dataclass(frozen=True)
class LogPosition:
    """How far a stream has followed the log: all of its changes before `lsn`, seen through `slot` on `system`."""

    system: str | None
    slot: str
    lsn: int

    def to_state(self) -> dict[str, Any]:
        """Return the Singer bookmark."""
        return {"replication_key": LSN, "replication_key_value": self.lsn, "slot": self.slot, "system": self.system}


def position_from_state(state: Mapping[str, Any] | None) -> LogPosition | None:
    """Return the position of a Singer bookmark; None for one that is not about the log."""
    if not state or state.get("replication_key") != LSN or "replication_key_value" not in state:
        return None
    return LogPosition(state.get("system"), str(state.get("slot")), int(state["replication_key_value"]))


@dataclass
class TableChanges:
    """The changes of one table that its stream has not followed yet, in files of the run's folder.

    `truncated` says that the table was emptied meanwhile: only a complete read tells what it holds.
    """

    files: list[Path] = field(default_factory=list)
    truncated: bool = False


class ChangeLog:
    """The log of a database, read through a slot of ours. Open it before the run's snapshot is taken."""

    def __init__(self, config: Mapping[str, Any], logger: logging.Logger) -> None:
        """Connect, make the slot if there is none, and note up to where the run reads.

        Raises SourceError, with the way out, when the server keeps no logical log or has no such publication.
        """
        self._publication, self._schema = str(config["publication"]), str(config["schema"])
        trust(config)
        self._connection = Connection(config)
        self._logger = logger
        ((level, keep, flushed, system),) = self._connection.query(_SERVER)
        if level != "logical":
            raise SourceError(
                f"wal_level is {level!r}: set it to 'logical' on the source and restart it, or unset `publication`"
            )
        self.tables = self._published()
        if keep == "-1":
            logger.warning(
                "max_slot_wal_keep_size is unlimited on the source: a slot that nobody reads fills its disk. "
                "Set it, for example to 10GB; a slot that was cut off is made anew, and its tables are read again."
            )
        slot = self._slot(str(config["slot"]))
        if slot is None:
            # Named for where it begins: a slot made anew lacks what its predecessor had, and no bookmark fits it.
            slot = f"{config['slot']}_{flushed:x}"
            self._connection.query(
                f"select lsn::text as lsn from pg_create_logical_replication_slot({literal(slot)}, 'pgoutput')"  # noqa: S608
            )
            ((flushed,),) = self._connection.query("select (pg_current_wal_flush_lsn() - '0/0')::bigint as flushed")
        self.position = LogPosition(system, slot, flushed)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def follows(self, known: LogPosition | None) -> bool:
        """Whether the slot has all that happened to a stream since a position; otherwise it is to be read in full."""
        return known is not None and (known.system, known.slot) == (self.position.system, self.position.slot)

    def read(
        self,
        folder: Path,
        keys: Mapping[str, tuple[str, ...]],
        selected: frozenset[str],
        known: Mapping[str, LogPosition],
    ) -> dict[str, TableChanges]:
        """Return the changes of the published tables up to `position`, and let the slot go past what is done.

        keys: primary key by table. selected: the tables that this run reads. known: where each stream stands that was
        ever loaded, in this run or not. Raises SourceError for a table whose log does not say which row was removed.
        """
        followed = {table: found.lsn for table, found in known.items() if self.follows(found)}
        spill = _Spill(folder, keys)
        names: dict[int, str] = {}
        transaction = pgoutput.Begin(0, 0)
        pending: int | None = None
        # A table that is read in full needs no change of before; a position is 64 bits.
        never = 1 << 64

        def is_new(number: int) -> bool:
            return transaction.position >= followed.get(names.get(number, ""), never)

        for data in self._messages():
            match pgoutput.decode(data):
                case pgoutput.Begin() as transaction:
                    pass
                case pgoutput.Relation() as relation if relation.schema == self._schema:
                    names[relation.number] = relation.name
                    spill.describe(relation)
                case pgoutput.Truncate(relations) if emptied := [each for each in relations if is_new(each)]:
                    for number in emptied:
                        spill.tables.setdefault(names[number], TableChanges()).truncated = True
                    pending = transaction.position if pending is None else pending
                case pgoutput.Change() as change if is_new(change.relation):
                    spill.add(change, transaction)
                    pending = transaction.position if pending is None else pending
        spill.flush()
        # A table of which nothing is known may belong to a run of other streams: its changes are not ours to let go.
        unknown = sorted(self.tables - selected - set(followed))
        if unknown:
            self._logger.warning(
                "slot %s stays where it is: %s of publication %s is read by another run, or by none; then take it out",
                self.position.slot, ", ".join(unknown), self._publication,
            )  # fmt: skip
        else:
            self._release(self.position.lsn if pending is None else pending)
        return spill.tables

    def _published(self) -> frozenset[str]:
        publication = literal(self._publication)
        if not self._connection.query(f"select 1 as found from pg_publication where pubname = {publication}"):  # noqa: S608
            raise SourceError(
                f"the source has no publication {self._publication!r}: its owner makes one with "
                f'create publication "{self._publication}" for table …; or unset `publication`'
            )
        rows = self._connection.query(
            f"select tablename::text as name from pg_publication_tables where pubname = {publication}"  # noqa: S608
            f" and schemaname = {literal(self._schema)}"
        )
        return frozenset(name for (name,) in rows)

    def _slot(self, wanted: str) -> str | None:
        """Return our newest slot that still has its log; a lost one is dropped."""
        rows = self._connection.query(
            "select slot_name::text as name, coalesce(wal_status, 'lost') as status from pg_replication_slots "  # noqa: S608
            f"where plugin = 'pgoutput' and database = current_database() and starts_with(slot_name, {literal(wanted)})"
        )
        ours = {str(name): str(status) for name, status in rows if re.fullmatch(f"{re.escape(wanted)}_[0-9a-f]+", name)}
        for name in [name for name, status in ours.items() if status == "lost"]:
            self._logger.warning("slot %s lost its log (max_slot_wal_keep_size): its tables are read anew", name)
            del ours[name]
            self._connection.query(f"select pg_drop_replication_slot({literal(name)})::text as gone")
        return max(ours, key=lambda name: (len(name), name), default=None)

    def _messages(self) -> Iterator[bytes]:
        end = f"{self.position.lsn >> 32:X}/{self.position.lsn & 0xFFFFFFFF:X}"
        sql = (
            f"select data from pg_logical_slot_peek_binary_changes({literal(self.position.slot)}, {literal(end)}, null,"  # noqa: S608
            f" 'proto_version', '1', 'publication_names', {literal(quoted_name(self._publication))})"
        )
        for batch in self._connection.stream(sql, SPILL_ROWS):
            yield from batch.column(0).to_pylist()

    def _release(self, lsn: int) -> None:
        """Let the source throw away its log before `lsn`; a slot never goes back."""
        end = f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
        slot = literal(self.position.slot)
        self._connection.query(
            f"select case when confirmed_flush_lsn < {literal(end)}::pg_lsn then "  # noqa: S608
            f"(select end_lsn::text from pg_replication_slot_advance({slot}, {literal(end)})) end as moved "
            f"from pg_replication_slots where slot_name = {slot}"
        )


def quoted_name(name: str) -> str:
    """Return a name as lists of names in PostgreSQL's options take it."""
    return '"' + name.replace('"', '""') + '"'


class _Spill:
    """Changes by table, written to files as they become many."""

    def __init__(self, folder: Path, keys: Mapping[str, tuple[str, ...]]) -> None:
        self._folder, self._keys = folder, keys
        self._relations: dict[int, pgoutput.Relation] = {}
        self._held: dict[int, list[Held]] = {}
        self.tables: dict[str, TableChanges] = {}

    def describe(self, relation: pgoutput.Relation) -> None:
        """Take in the columns of a table: those of the changes from here on."""
        if relation.number in self._held:
            self._write(relation.number)
        if missing := set(self._keys.get(relation.name, ())) - relation.identity:
            raise SourceError(
                f"{relation.schema}.{relation.name}: its log lacks key columns {sorted(missing)} of removed rows: "
                f'alter table "{relation.schema}"."{relation.name}" replica identity default'
            )
        self._relations[relation.number] = relation

    def add(self, change: pgoutput.Change, transaction: pgoutput.Begin) -> None:
        """Take in a change. One that changes the key is a removal, then a new row."""
        relation = self._relations[change.relation]
        held = self._held.setdefault(change.relation, [])
        at = (transaction.position, transaction.committed_at)
        if change.old is not None and (change.new is None or self._moved(relation, change.old, change.new)):
            held.append((*at, True, change.old))
        if change.new is not None:
            held.append((*at, False, change.new))
        if len(held) >= SPILL_ROWS:
            self._write(change.relation)

    def flush(self) -> None:
        """Write what is held."""
        for number in list(self._held):
            self._write(number)

    def _moved(
        self, relation: pgoutput.Relation, old: tuple[pgoutput.Value, ...], new: tuple[pgoutput.Value, ...]
    ) -> bool:
        """Whether the key of a row changed. With REPLICA IDENTITY FULL each old row is sent, most with the same key."""
        key = self._keys.get(relation.name, ())
        return any(name in key and a != b for name, a, b in zip(relation.columns, old, new, strict=True))

    def _write(self, number: int) -> None:
        import pyarrow as pa

        held, relation = self._held.pop(number), self._relations[number]
        found = self.tables.setdefault(relation.name, TableChanges())
        path = self._folder / f"changes-{number}-{len(found.files)}.arrow"
        batch = _batch(relation, held)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        found.files.append(path)


def _batch(
    relation: pgoutput.Relation, held: list[tuple[int, int, bool, tuple[pgoutput.Value, ...]]]
) -> pa.RecordBatch:
    """Return changes as Arrow: position, time of commit, whether removed, names of unsent values, values as text."""
    import pyarrow as pa

    rows = [values for *_, values in held]
    unsent = [
        [n for n, value in zip(relation.columns, row, strict=True) if value is pgoutput.UNCHANGED] for row in rows
    ]
    columns = {
        "lsn": pa.array([lsn for lsn, *_ in held], pa.int64()),
        "at": pa.array([at for _, at, *_ in held], pa.timestamp("us", "UTC")),
        "removed": pa.array([removed for _, _, removed, _ in held], pa.bool_()),
        "unsent": pa.array(unsent, pa.list_(pa.string())),
    }
    for index, name in enumerate(relation.columns):
        values = [row[index] for row in rows]
        texts = [None if value is pgoutput.UNCHANGED else value for value in values]
        columns[f"value:{name}"] = pa.array(texts, pa.string())
    return pa.RecordBatch.from_pydict(columns)
