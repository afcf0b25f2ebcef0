"""What is open about the sources: `make status` and `make quarantine` read it from the lake through Trino."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localstack.reporting import LocalError

FINDINGS = (
    "select severity, message, decision from lake.raw.findings "
    "order by case severity when 'fail' then 0 when 'error' then 1 else 2 end, stream, kind, \"column\""
)
QUARANTINE = (
    'select stream, "column", reason, count(*), min(cast(loaded_at as timestamp(0))), min(value) '
    'from lake.raw.quarantine group by stream, "column", reason order by 1, 2, 3'
)
MISSING = frozenset({"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND"})
"""What Trino says while no run has had anything to write down."""


def query(port: int, sql: str) -> list[list[Any]]:
    """Return the rows of a query, none where its table was never made. Raises LocalError with what Trino says."""
    from trino.exceptions import Error, TrinoQueryError

    from localstack.sql_prompt import connect, explain

    try:
        cursor = connect(port).cursor()
        cursor.execute(sql)
        rows: list[list[Any]] = cursor.fetchall()
    except TrinoQueryError as error:
        if error.error_name in MISSING:
            return []
        raise LocalError(f"trino: {explain(error)}") from error
    except (Error, OSError) as error:
        raise LocalError(f"trino: {error}") from error
    return rows


def finding_lines(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of `make status` about the sources: (severity, message, decision) of each open finding."""
    if not rows:
        return ["Sources:  as agreed"]
    lines = [f"Sources:  {len(rows)} open {'finding' if len(rows) == 1 else 'findings'} (table raw.findings)"]
    for severity, message, decision in rows:
        lines += [f"  {severity}: {message}", f"         {decision}"]
    return lines


def quarantine_lines(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return what `make quarantine` shows: stream, column, reason, rows, first seen, an example."""
    if not rows:
        return ["No row is set aside."]
    lines = []
    for stream, column, reason, count, since, value in rows:
        lines.append(f"{stream}.{column}: {count} {'row' if count == 1 else 'rows'} since {since}: {reason}")
        lines.append(f"         for example {str(value)[:100]!r}")
    lines.append('All of them: make trino q="table raw.quarantine"; after they were put right:')
    return [*lines, *(f"  make quarantine replay={stream}" for stream in sorted({row[0] for row in rows}))]
