"""The target's own small tables beside the streams' tables: rows are replaced by a condition, in one commit."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, In, Reference
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema

from target_iceberg.commit.tables import ensure_table, load_or_none

ATTEMPTS, FIRST_WAIT_SECONDS = 8, 0.1
"""How often a change is tried after another run has changed the table, and how long the first wait is: it doubles."""

Where = Mapping[str, Sequence[Any]]
"""Column → values: the rows that have one of them in each."""


class Ledger:
    """The table, made with its first row."""

    def __init__(self, catalog: Catalog, namespace: str, name: str, schema: Schema) -> None:
        """Name the table; nothing is read yet."""
        self._catalog, self._namespace, self._name, self._schema = catalog, namespace, name, schema

    def rows(self, where: Where) -> list[dict[str, Any]]:
        """Return the rows that match; none where there is no table."""
        table = load_or_none(self._catalog, self._namespace, self._name)
        if table is None or table.current_snapshot() is None:
            return []
        rows: list[dict[str, Any]] = table.scan(row_filter=_condition(where)).to_arrow().to_pylist()
        return rows

    def replace(self, where: Where, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put `rows` in place of those that match, in one commit; no commit where there is neither."""
        for attempt in range(ATTEMPTS):
            try:
                self._replace(_condition(where), rows)
            except CommitFailedException:
                if attempt == ATTEMPTS - 1:
                    raise
                # Runs that end together would meet again: each waits its own time.
                time.sleep(random.uniform(0.5, 1) * FIRST_WAIT_SECONDS * 2**attempt)  # noqa: S311 - spreads writers
            else:
                return

    def _replace(self, condition: BooleanExpression, rows: Sequence[Mapping[str, Any]]) -> None:
        table = load_or_none(self._catalog, self._namespace, self._name)
        filled = table is not None and table.current_snapshot() is not None
        matched = filled and table is not None and table.scan(row_filter=condition, limit=1).to_arrow().num_rows > 0
        if not (matched or rows):
            return
        if table is None:
            table = ensure_table(self._catalog, self._namespace, self._name, self._schema)
        data = pa.Table.from_pylist(list(rows), schema=schema_to_pyarrow(self._schema, include_field_ids=False))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyiceberg warns where a delete rewrites a file
            if not matched:
                table.append(data)
            elif rows:
                table.overwrite(data, overwrite_filter=condition)
            else:
                table.delete(condition)


def _condition(where: Where) -> BooleanExpression:
    found: BooleanExpression = AlwaysTrue()
    for column, values in where.items():
        found = And(found, In(term=Reference(column), values=set(values)))
    return found
