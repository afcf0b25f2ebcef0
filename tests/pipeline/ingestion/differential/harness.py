"""One case: tables are made, moved load by load, and asked after each; what differs is an error."""

from __future__ import annotations

import functools
import importlib
import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from conftest import Server, Shop, load_catalog
from headwater_contracts import table_name
from pyiceberg.exceptions import NoSuchTableError

from differential import places
from differential.engines import EQUALITY_DELETES, Engine, Truth, asked_about
from differential.moves import Load
from differential.places import PLACES
from differential.questions import Asked, Field, Question, Value, resolve
from differential.source import SourceTable
from differential.story import differing, short, story
from differential.tables import Table
from differential.ways import Way, write_contracts

ASIDE = ("stream", "column", "reason", "value")


class Difference(AssertionError):
    """The lake says something else than the source."""


@dataclass(frozen=True)
class Case:
    """Tables that travel together in one run a load, from the database of a place, and what is asked of each."""

    tables: tuple[Table, ...]
    place: str
    questions: tuple[Asked, ...]


@dataclass
class Count:
    """What was done: tables made, loads run, questions answered by an engine."""

    tables: int = 0
    loads: int = 0
    answers: int = 0
    unreadable: int = 0


@dataclass
class World:
    """A server with a database for each place, the engines, a folder for files, and the catalog's name."""

    server: Server
    folder: Path
    engines: Sequence[Engine]
    lake: str = "lake"
    compact: Callable[[Any], None] | None = None
    """Writes a table without delete files, for engines that can't read them."""
    count: Count = field(default_factory=Count)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _databases: dict[str, str] = field(default_factory=dict)

    def database(self, place: str) -> str:
        """Return the database of a place, made when it is first asked for."""
        if place not in self._databases:
            (found,) = (each for each in PLACES if each.name == place)
            self._databases[place] = places.create(self.server, found)
        return self._databases[place]

    def check(self, way: Way, case: Case) -> None:
        """Raise Difference where the lake and the source disagree."""
        number = next(self._numbers)
        database = self.database(case.place)
        folder = self.folder / f"case{number}"
        (folder / "batch").mkdir(parents=True)
        shop = Shop(self.server, database, f"raw_d{number}", folder, lake=self.lake)
        with places.connect(self.server, database) as connection, patched(way):
            try:
                sources = self._create(connection, f"s{number}", case, way)
                load = Load(shop, sources, way, slot=f"hw_d{number}")
                self._follow(connection, load)
                write_contracts(load)
                for step in range(1 + max(len(each.changes) for each in case.tables)):
                    self._change(sources, way, step)
                    self._load(load, step)
                    for source in sources:
                        self._ask(load, source, case.questions, last=step)
            finally:
                self._clean(connection, f"s{number}", shop)

    def _create(self, connection: psycopg.Connection[Any], schema: str, case: Case, way: Way) -> list[SourceTable]:
        for name in (schema, f"{schema}_lake"):
            connection.execute(f"create schema {name}")
        found = []
        for number, table in enumerate(case.tables):
            found.append(SourceTable(connection, schema, number, table, clean=way.clean))
            self.count.tables += 1
        connection.execute(f"grant usage on schema {schema} to reader")
        connection.execute(f"grant select on all tables in schema {schema} to reader")
        for source in found:
            source.show()
        return found

    def _follow(self, connection: psycopg.Connection[Any], load: Load) -> None:
        if load.way.name.startswith("log"):
            connection.execute("alter role reader replication")
            connection.execute(
                f"create publication {load.slot} for tables in schema {load.schema}"
                " with (publish_via_partition_root = true)"
            )

    def _change(self, sources: Sequence[SourceTable], way: Way, step: int) -> None:
        for source in sources:
            for change in source.table.changes[step - 1] if 0 < step <= len(source.table.changes) else ():
                source.change(change, misfits=way.misfits)

    def _load(self, load: Load, step: int) -> None:
        load.number = step + 1
        for source in load.tables:
            source.loaded(**load.way.stays(source))
            source.script.append(f"-- load {step + 1}")
        try:
            load.way.move(load)
        except Exception as error:
            raise Difference(
                story(load, load.tables, f"load {step + 1} failed: {type(error).__name__}: {error}")
            ) from error
        self.count.loads += 1
        aside = self._read(load, "quarantine")
        load.aside = [] if aside is None else aside.scan(selected_fields=ASIDE).to_arrow().to_pylist()
        for source in load.tables:
            source.lake = self._read(load, source.table.stored_name)
            snapshot = None if source.lake is None else source.lake.current_snapshot()
            source.snapshots.append(None if snapshot is None else snapshot.snapshot_id)

    def _read(self, load: Load, name: str) -> Any:
        try:
            return load_catalog(self.lake).load_table((load.shop.namespace, name))
        except NoSuchTableError:
            return None

    def _ask(self, load: Load, source: SourceTable, questions: Sequence[Asked], last: int) -> None:
        fields = load.way.fields(source)
        truth = Truth(source.connection)
        self._check_left_out(load, source)
        if load.way.leaves_out(source):
            return
        right = truth.rows(source.mirror(), fields)
        self._balance(load, source)
        table = source.lake
        if table is None:
            if right:
                raise Difference(
                    story(load, [source], f"after load {last + 1} there is no table, {len(right)} rows are missing")
                )
            return
        known = _values(source, fields)
        asked = [resolve(each, fields, known, source.loads) for each in questions]
        for engine in self.engines:
            if self.compact is not None and engine.unreadable(table) == EQUALITY_DELETES:
                self.compact(table)
                table.refresh()
            if engine.unreadable(table) is not None:
                self.count.unreadable += 1
                continue
            with _told(load, source, engine, "all rows"):
                got = engine.rows(table, fields)
            if got != right:
                raise Difference(
                    story(
                        load,
                        [source],
                        f"{engine.name}, all rows after load {last + 1}: " + differing(got, right, fields),
                    )
                )
            for question in asked:
                old = None if question.load is None else source.snapshots[question.load - 1]
                if not engine.understands(question, table) or (
                    old is not None and engine.unreadable(table, old) is not None
                ):
                    self.count.unreadable += 1
                    continue
                self._answer(load, source, engine, question, table)

    def _check_left_out(self, load: Load, source: SourceTable) -> None:
        """Nothing of views is read, nor of a table of which the role sees a part."""
        names = [*(source.table.views if source.table.shape == "viewed" else ())]
        names += [source.table.stored_name] if load.way.leaves_out(source) else []
        for name in names:
            if self._read(load, table_name(name)) is not None:
                raise Difference(story(load, [source], f"after load {source.loads} {name} is in the lake"))

    def _answer(self, load: Load, source: SourceTable, engine: Engine, question: Question, table: Any) -> None:
        right = Truth(source.connection, ieee=not engine.nan_is_greatest)
        wanted = right.answer(source.mirror(question.load), question)
        with _told(load, source, engine, str(question)):
            got = engine.answer(table, question, source.snapshots)
        self.count.answers += 1
        if got != wanted:
            asked = right.query("…", question)
            raise Difference(
                story(
                    load,
                    [source],
                    f"{engine.name}, question {asked}\n  {question}\n  lake {short(got)}\n  source {short(wanted)}",
                )
            )

    def _balance(self, load: Load, source: SourceTable) -> None:
        """What was set aside and what is stored are the source's rows; what is stored is compared row by row."""
        aside = [row for row in load.aside if row["stream"] in {source.table.name, source.table.stored_name}]
        wanted = source.aside if load.way.sends_misfits else 0
        if len(aside) != wanted:
            shown = [(row["column"], row["reason"], row["value"]) for row in aside[:3]]
            raise Difference(
                story(
                    load,
                    [source],
                    f"after load {source.loads} {len(aside)} rows are set aside, {wanted} should be: {shown}",
                )
            )

    def _clean(self, connection: psycopg.Connection[Any], schema: str, shop: Shop) -> None:
        connection.execute("rollback")
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like $1",
            [f"hw_d{schema[1:]}\\_%"],
        )
        connection.execute(f"drop publication if exists hw_d{schema[1:]}")
        connection.execute(f"drop schema if exists {schema}_lake, {schema} cascade")
        catalog = load_catalog(self.lake)
        if (shop.namespace,) in catalog.list_namespaces():
            folders = []
            for name in catalog.list_tables(shop.namespace):
                folders.append(Path(catalog.load_table(name).location().removeprefix("file:")))
                catalog.drop_table(name)
            catalog.drop_namespace(shop.namespace)
            if self.lake == "lake" and folders:  # none where nothing may be loaded
                shutil.rmtree(folders[0].parent)
        shutil.rmtree(shop.folder, ignore_errors=True)


@contextmanager
def patched(way: Way) -> Iterator[None]:
    """Have small row groups and files, so that statistics of several matter in small tables."""
    undo = []
    for name, value in way.patches.items():
        module, _, attribute = name.rpartition(".")
        holder = importlib.import_module(module)
        undo.append(functools.partial(setattr, holder, attribute, getattr(holder, attribute)))
        setattr(holder, attribute, value)
    try:
        yield
    finally:
        for each in undo:
            each()


@contextmanager
def _told(load: Load, source: SourceTable, engine: Engine, question: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        said = str(error).partition("\n\nStack Trace")[0]
        raise Difference(
            story(load, [source], f"{engine.name} failed: {type(error).__name__}: {said}\n  {question}")
        ) from error


def _values(source: SourceTable, fields: Sequence[Field]) -> dict[str, list[Value]]:
    """Return some values of each column, of this load and the first, in their order on disk."""
    fields = [each for each in fields if not each.mark]
    names = ", ".join(f"c{field.number}" for field in fields)
    rows = [
        row
        for load in {1, source.loads}
        for row in source.connection.execute(f"select {names} from {source.mirror(load)} limit 2000").fetchall()
    ]
    # Among filler, what stands at the ends and between.
    chosen = rows if len(rows) < 25 else [*rows[:8], *rows[:: max(1, len(rows) // 6)], *rows[-8:]]
    found = {}
    for number, each in enumerate(fields):
        values = (asked_about(row[number], each) for row in chosen)
        found[each.name] = [value for value in values if value is not None]
    return found
