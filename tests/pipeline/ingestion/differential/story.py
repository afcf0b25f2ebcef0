"""What a failure says: way, engine, question, both answers, and the SQL that makes the table."""

from __future__ import annotations

from collections.abc import Sequence

from differential.moves import Load
from differential.questions import Field
from differential.source import SourceTable
from differential.sql import Rows


def story(load: Load, sources: Sequence[SourceTable], what: str) -> str:
    scripts = "\n".join("\n".join(f"  {line};" for line in source.script) for source in sources)
    contract = "\n".join(f"  {line}" for source in sources for line in load.way.contract(source).splitlines())
    with sources[0].connection.cursor() as cursor:
        database = cursor.connection.info.dbname
    return f"way {load.way.name}, database {database}: {what}\n table:\n{scripts}\n contract:\n{contract}"


def short(value: Sequence[str]) -> tuple[str, ...]:
    return tuple(each if len(each) <= 100 else f"{each[:60]}… ({len(each)} characters)" for each in value)


def differing(got: Rows, right: Rows, fields: Sequence[Field]) -> str:
    """Return the rows that differ, of wide tables the columns that do."""
    more, less = _without(got, right)[:3], _without(right, got)[:3]
    shown = [
        number
        for number in range(len(fields))
        if not (more and less) or sorted(row[number] for row in more) != sorted(row[number] for row in less)
    ][:14]
    lines = [f"{len(got)} rows, {len(right)} are right; of columns {[fields[number].name for number in shown]}"]
    for title, rows in (("only in the lake  ", more), ("only in the source", less)):
        lines += [f"  {title} {short([row[number] for number in shown])}" for row in rows]
    return "\n".join(lines)


def _without(rows: Rows, others: Rows) -> Rows:
    left = list(others)
    found = []
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            found.append(row)
        if len(found) == 3:
            break
    return found
