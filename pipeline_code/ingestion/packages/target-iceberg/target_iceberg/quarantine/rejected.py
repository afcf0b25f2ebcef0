"""Rows that no table can hold: set aside in `raw.quarantine`, with the reason and all their values as text."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headwater_contracts import Contract
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType, TimestamptzType

from target_iceberg.rows import values
from target_iceberg.state.ledger import Ledger, Where

STREAM = "quarantine"
"""Singer stream by which a tap hands over rows that it can't send, and the table that holds all such rows."""
MARKER = "x-headwater-quarantine"
"""Keyword of that stream's schema: what else is called `quarantine` is an ordinary stream, and refused."""
EXAMPLES = 3
NO_KEY = "{}"
"""Key of what is no row: a line of a file."""
FILE, ROW, LINE = "_file", "_row", "line"
"""Columns of tap-files: where a row comes from; of a line that is no row, its text."""
_SHOWN = 100
"""Letters of a value or row that a message shows."""

_TABLE = Schema(
    NestedField(1, "stream", StringType(), required=True),
    NestedField(2, "load", LongType(), doc="Number of the stream's load that set it aside", required=True),
    NestedField(3, "run_id", StringType(), required=True),
    NestedField(4, "key", StringType(), doc="JSON object of the key's columns; empty without a key", required=True),
    NestedField(5, "column", StringType(), doc="The column whose value does not fit", required=True),
    NestedField(6, "reason", StringType(), required=True),
    NestedField(7, "value", StringType(), doc="The value as text", required=False),
    NestedField(8, "row", StringType(), doc="JSON object of all columns as the source sent them", required=True),
    NestedField(9, "loaded_at", TimestamptzType(), required=True),
)


class QuarantineError(ValueError):
    """More rows had to be set aside than the contract allows: nothing of the stream is loaded."""


@dataclass(frozen=True)
class Rejected:
    """A row that was set aside: the column that does not fit, why, its value, and `key` and `row` as JSON objects."""

    key: str
    column: str
    reason: str
    value: str | None
    row: str

    @classmethod
    def of(cls, row: Mapping[str, Any], keys: Sequence[str], column: str, reason: str) -> Rejected:
        """Return the row of a record or batch."""
        value = row.get(column)
        return cls(
            json_text({key: row.get(key) for key in keys}),
            column,
            reason,
            None if value is None else _utf8(value) if isinstance(value, str) else json_text(value),
            json_text(row),
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Rejected:
        """Return the row that a tap hands over in a record of the stream `quarantine`."""
        return cls(*(record[name] for name in ("key", "column", "reason", "value", "row")))

    @property
    def is_line(self) -> bool:
        """Whether it is a line of a file that is no row: only its text is known, and no replay can help."""
        return self.key == NO_KEY and self.column == LINE and ROW not in self._row()

    def __str__(self) -> str:
        """Return the row for a message: by its key, else by what else it holds; of a file, also by its place there."""
        value = None if self.value is None else _shortened(self.value)
        row = self._row()
        place = self.key
        if place == NO_KEY:
            others = {name: each for name, each in row.items() if name != self.column}
            place = _shortened(json.dumps(others, ensure_ascii=False) if row else self.row)
        elif FILE in row and FILE not in json.loads(self.key):
            place += f" in file {row[FILE]}" + (f", row {row[ROW]}" if row.get(ROW) is not None else "")
        return f"{self.column} = {value!r} of {place}: {self.reason}"

    def _row(self) -> dict[str, Any]:
        """Return the row's values; none where another tap sent what is no JSON object."""
        try:
            row = json.loads(self.row)
        except json.JSONDecodeError:
            return {}
        return row if isinstance(row, dict) else {}


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def json_text(value: Any) -> str:
    """Return JSON that can be stored."""
    return _utf8(values.json_text(value))


def _utf8(text: str) -> str:
    """Return a text that can be stored: half of a surrogate pair, which JSON lets through, is written as \\uXXXX."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_announced(message: Mapping[str, Any]) -> bool:
    """Whether a SCHEMA message announces rows that are set aside. ValueError if another stream takes the name."""
    if message["stream"] != STREAM:
        return False
    if not message["schema"].get(MARKER):
        raise ValueError(f"stream {STREAM}: the name is taken by the table of rows that can't be stored; use an alias")
    return True


def check(contract: Contract, rejected: Sequence[Rejected], stored: int, *, is_empty: bool) -> None:
    """Raise QuarantineError if the contract allows fewer rows to be set aside.

    is_empty: whether the table has no row beside those that were `stored`. One wrong row of a table may be all that has
    changed; but a table without any, or a file whose lines are no rows, was read with the wrong settings.
    """
    limits, read = contract.quarantine, stored + len(rejected)
    alone = is_empty or all(each.key == NO_KEY for each in rejected)
    if not limits.exceeded(len(rejected), read, alone=alone):
        return
    examples = "; ".join(str(each) for each in rejected[:EXAMPLES])
    advice = (
        "Correct the files, or say the stream's `delimiter`, `quote` or `encoding` in its Meltano file"
        if all(each.is_line for each in rejected)
        else "Correct the source or the column's type in the contract"
    )
    raise QuarantineError(
        f"{len(rejected)} of {read} rows can't be stored, more than the contract allows ({limits.rows} rows, "
        f"{limits.share:.2%}{', and never all' if len(rejected) >= read else ''}): {examples}. {advice}, or raise its "
        "`quarantine`; nothing was loaded"
    )


def way_out(stream: str, rejected: Sequence[Rejected]) -> str:
    """Return what helps against these rows: a replay is for those that were rows."""
    lines = sum(1 for each in rejected if each.is_line)
    rows = f"Correct the source or the contract, then `make quarantine replay={stream}`"
    if not lines:
        return rows
    files = "Correct the files: what is changed is read anew, and no replay releases lines that are no rows"
    return files if lines == len(rejected) else f"{files}. Of the other {len(rejected) - lines}: {rows}"


def store(
    catalog: Catalog,
    namespace: str,
    stream: str,
    rejected: Sequence[Rejected],
    *,
    load: int,
    run_id: str,
    loaded_at: dt.datetime,
) -> None:
    """Put the rows of a load into the table, in place of those of an earlier try."""
    common = {"stream": stream, "load": load, "run_id": run_id, "loaded_at": loaded_at}
    before: Where = {"stream": [stream], "load": [load]}
    _ledger(catalog, namespace).replace(before, [{**common, **asdict(each)} for each in rejected])


def forget_others(catalog: Catalog, namespace: str, stream: str, run_id: str) -> None:
    """Delete the rows of all other runs: this one has read the stream completely, and is published."""
    others = {row["run_id"] for row in rows(catalog, namespace, stream)} - {run_id}
    if others:
        _ledger(catalog, namespace).replace({"stream": [stream], "run_id": sorted(others)}, [])


def rows(catalog: Catalog, namespace: str, stream: str) -> list[dict[str, Any]]:
    """Return the rows of a stream that are set aside."""
    return _ledger(catalog, namespace).rows({"stream": [stream]})


def keep_only(
    catalog: Catalog, namespace: str, stream: str, held: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]]
) -> None:
    """Put `kept` in place of the rows `held`, by the runs that these are of: what another adds meanwhile stays."""
    where: Where = {"stream": [stream], "run_id": sorted({row["run_id"] for row in held})}
    _ledger(catalog, namespace).replace(where, kept)


def _ledger(catalog: Catalog, namespace: str) -> Ledger:
    return Ledger(catalog, namespace, STREAM, _TABLE)
