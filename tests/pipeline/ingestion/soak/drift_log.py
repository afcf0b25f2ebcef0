"""A source whose table changes, its pipeline, and what has to be true of the lake after each load."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import psycopg
import reading
from conftest import Shop, contracts
from crash_processes import Fault, Outcome, run
from drift_cases import Case
from pyiceberg.catalog import load_catalog
from target_iceberg.admin import positions

ROWS = 200
TOUCHED = "id % 7 = 1"
DATE = re.compile(r"\d{4}-\d\d-\d\d$")


def canonical(value: Any) -> str | None:
    """Return a value as text that is the same for all types which a value may be moved between."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        number = Decimal(str(value))
        return f"{number.normalize():f}" if number.is_finite() else str(value)
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()
    return _canonical_text(json.dumps(value) if isinstance(value, dict | list) else str(value))


def _canonical_text(text: str) -> str | None:
    if DATE.match(text):
        return f"{text}T00:00:00+00:00"
    try:
        return canonical(Decimal(text))
    except InvalidOperation:
        return json.dumps(json.loads(text)) if text[:1] in {"{", "["} else text


@dataclass
class Drifting:
    """`shop.things`, with a column for each case; `mode` is one of drift_cases.MODES."""

    shop: Shop
    mode: str
    cases: Sequence[Case]
    state: dict[str, Any] = field(default_factory=dict)
    drifted: set[str] = field(default_factory=set)
    slot: str = field(default_factory=lambda: f"hw_d{uuid.uuid4().hex[:12]}")

    # The source

    def create(self) -> None:
        """Make the table, and fill it."""
        columns = "".join(f", {case.column} {case.kind}" for case in self.cases)
        values = "".join(f", {case.value}" for case in self.cases)
        stamp = "" if self.mode == "soft" else ", updated_at timestamptz not null default clock_timestamp()"
        names = ", ".join(["id", "kept", *(case.column for case in self.cases)])
        self.shop.execute(
            "create type shop.mood as enum ('calm')",
            f"create table shop.things (id bigint primary key, kept text not null{columns}{stamp})",
            f"insert into shop.things ({names}) select id, 'k'{values} from generate_series(1, {ROWS}) id",
        )
        if self.mode == "log":
            self.shop.execute("create publication headwater for all tables", "alter role reader replication")

    def change(self, *statements: str, wait: str = "0") -> None:
        """Change the table; gives up after `wait` for its lock (0: never)."""
        with self.shop.connect() as connection:
            connection.execute(f"set lock_timeout = '{wait}'")
            for statement in statements:
                connection.execute(statement)

    def write(self, values: dict[str, str]) -> None:
        """Write some rows anew, with these values."""
        sets = ", ".join(f"{name} = {value}" for name, value in values.items())
        stamp = "" if self.mode == "soft" else ", updated_at = clock_timestamp()"
        self.change(
            f"update shop.things set kept = kept || '+'{', ' if sets else ''}{sets}{stamp} where {TOUCHED}",
            *(["delete from shop.things where id in (select max(id) from shop.things)"] if self.deletes else []),
        )

    def drift(self, case: Case) -> None:
        """Let a case happen, and write what it allows."""
        self.change(*case.drift)
        self.drifted.add(case.name)
        self.write(dict(case.new))

    def undo(self, case: Case) -> None:
        """Take it back."""
        self.change(*case.back)
        self.drifted.discard(case.name)
        self.write(dict(case.old))

    @property
    def deletes(self) -> bool:
        """Whether the lake follows deletions in this mode."""
        return self.mode in {"soft", "log"}

    # The pipeline

    def run(
        self,
        fault: Fault | None = None,
        interrupt: Callable[[int, int], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Outcome:
        """Run once as headwater-ingest does."""
        path = self.shop.folder / "positions.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(positions(load_catalog(self.shop.lake), self.shop.namespace)))
        settings = {**self.shop.settings, "positions_file": str(path)}
        settings["batch_config"] = {**settings["batch_config"], "encoding": {"format": "pipe"}}
        if self.mode == "log":
            settings |= {"publication": "headwater", "slot": self.slot}
        target = {
            "catalog": self.shop.lake,
            "namespace": self.shop.namespace,
            "contracts": contracts(self.shop.folder / "contracts", things=self.contract()),
        }
        outcome = run(settings, target, self.state, fault, interrupt=interrupt, meanwhile=meanwhile)
        if outcome.state is not None:
            self.state = outcome.state
        return outcome

    def contract(self) -> str:
        """Return the contract: what the table was at first."""
        modes = {"append": "append", "merge": "merge", "soft": "merge\ndeletes: soft", "log": "merge\ndeletes: hard"}
        required = "true" if self.mode != "log" else "false"  # a row that was removed has its key only
        columns = {"id": "{type: bigint, required: true}", "kept": f"{{type: text, required: {required}}}"}
        columns |= {case.column: case.contract for case in self.cases}
        if self.mode != "soft":
            columns["updated_at"] = f"{{type: timestamptz, required: {required}}}"
        lines = [f"write: {modes[self.mode]}", "key: [id]", "quarantine: {rows: 100000, share: 100%}"]
        lines += ["on_drift: {emptied: accept}", "columns:"]
        return "\n".join([*lines, *(f"  {name}: {text}" for name, text in columns.items())])

    def load(self, *, written: bool = True) -> None:
        """Run once, and check; `written` says whether rows were written since the last change of columns."""
        outcome = self.run()
        assert outcome.complete, f"the run failed\n{outcome.log}"
        self.check(written=written)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Give the source's log back at the end."""
        try:
            yield
        finally:
            with self.shop.connect() as connection:
                connection.execute(
                    "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like %s",
                    [f"{self.slot}%"],
                )

    # The lake

    def source(self) -> dict[int, dict[str, Any]]:
        """Return the source's rows, values as text where Python has none for them."""
        with self.shop.connect() as connection, connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            cursor.execute("select * from shop.things limit 0")
            names = [column.name for column in cursor.description or ()]
            texts = ", ".join(f'{name}::text as "{name}"' if name == "c_endless" else f'"{name}"' for name in names)
            return {row["id"]: row for row in cursor.execute(f"select {texts} from shop.things").fetchall()}

    def versions(self) -> list[dict[str, Any]]:
        """Return the table's rows, the older ones first."""
        table = self.shop.table("things")
        names = [each.name for each in table.schema().fields]
        order = ", ".join(f'"{name}"' for name in ("_loaded_at", "updated_at") if name in names)
        return [dict(zip(names, row, strict=True)) for row in reading.rows(table, *names, order=order)]

    def check(self, *, written: bool) -> None:
        """Every row of the source is there in its newest version, or set aside; of a merged table, once a key."""
        rows = self.versions()
        if self.mode != "append":
            several = [key for key, number in Counter(row["id"] for row in rows).items() if number > 1]
            assert not several, f"keys with several rows: {several[:5]}"
        newest = {row["id"]: row for row in rows}
        aside = self.aside()
        source = self.source()
        for key, row in source.items():
            if any(self.is_aside(row, column, value) for column, value in aside.get(key, ())):
                continue
            assert key in newest, f"row {key} is lost"
            self.compare(row, newest[key], written=written)
        if self.deletes:
            gone = {key for key, row in newest.items() if row.get("_sdc_deleted_at") is None} - set(source)
            assert not gone, f"rows that the source has no more are alive: {sorted(gone)[:5]}"

    def aside(self) -> dict[int, list[tuple[str, str]]]:
        """Return what is set aside: key → (column, value)."""
        found: dict[int, list[tuple[str, str]]] = {}
        if load_catalog(self.shop.lake).table_exists((self.shop.namespace, "quarantine")):
            for row in self.shop.quarantine():
                found.setdefault(json.loads(row["key"])["id"], []).append((row["column"], row["value"]))
        return found

    @staticmethod
    def is_aside(row: dict[str, Any], column: str, value: str) -> bool:
        """Whether a row has just the value for which it was set aside."""
        return canonical(row.get(column)) == canonical(value)

    def compare(self, source: dict[str, Any], lake: dict[str, Any], *, written: bool) -> None:
        """Compare a row's newest version; only what was written since the change of its columns has to be equal."""
        key = source["id"]
        assert lake["kept"] == source["kept"], f"row {key} is {lake['kept']}, not {source['kept']}"
        assert lake.get("_sdc_deleted_at") is None, f"row {key} is marked as deleted, and is alive"
        if self.mode != "soft" and (key % 7 != 1 or not written):
            return
        for name, value in source.items():
            held = [each for column, each in lake.items() if column == name or column.startswith(f"{name}__")]
            found = [canonical(each) for each in held if each is not None]
            wanted = [] if value is None else [canonical(value)]
            assert found == wanted, f"row {key}: {name} is {found}, not {wanted}"

    def check_findings(self) -> None:
        """What is open names the columns that have drifted, and no others."""
        found = self.shop.findings()
        expected = set()
        for case in self.cases:
            if case.name not in self.drifted:
                continue
            if case.added:
                assert ("new_column", case.added) in found, f"{case.name}: {found}"
                expected.add(("new_column", case.added))
            named = {(kind, case.column) for kind in case.kinds}
            assert not named or named & set(found), f"{case.name}: {found}"
            expected |= named
            self.check_type(case)
        others = {each for each in found if each not in expected and each != ("quarantined", "")}
        assert not others, f"nothing has become of {others}"

    def check_type(self, case: Case) -> None:
        """A column that was widened holds the wider type."""
        if case.stored is not None:
            stored = str(self.shop.table("things").schema().find_field(case.column).field_type)
            assert stored == case.stored, f"{case.name}: {stored}"

    def check_quiet(self) -> None:
        """A run without a change makes no snapshot; a complete read always does."""
        if self.mode == "soft":
            return
        before = self.shop.table("things").current_snapshot()
        self.load()
        assert self.shop.table("things").current_snapshot() == before, "a snapshot without a change"
