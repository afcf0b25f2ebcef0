"""The open findings about the sources. `make status` and `make quarantine` read them from the lake through Trino."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FINDINGS = (
    "select severity, message, decision from lake.raw.findings "
    "order by case severity when 'fail' then 0 when 'error' then 1 else 2 end, stream, kind, \"column\""
)
IS_LINE = (
    "key = '{}' and \"column\" = 'line' and json_extract_scalar(try(json_parse(row)), '$._file') is not null "
    "and json_extract_scalar(try(json_parse(row)), '$._row') is null"
)
"""Of rows of the quarantine: a line of a file that is no row. No replay can make one of it."""
QUARANTINE = (
    "select stream, \"column\", regexp_replace(reason, '^line [0-9]+ ', 'a line '), count(*), "  # noqa: S608 - all ours
    "min(cast(loaded_at as timestamp(0))), min(value), coalesce(min_by(reason, loaded_at), ''), "
    f"coalesce(min_by(json_extract_scalar(try(json_parse(row)), '$._file'), loaded_at), ''), {IS_LINE} "
    "from lake.raw.quarantine group by 1, 2, 3, 9 order by 1, 2, 3"
)


def finding_lines(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of `make status` about the sources: (severity, message, decision) of each open finding."""
    if not rows:
        return ["Sources:  as agreed"]
    lines = [f"Sources:  {len(rows)} open {'finding' if len(rows) == 1 else 'findings'} (table raw.findings)"]
    for severity, message, decision in rows:
        lines += [f"  {severity}: {message}", f"         {decision}"]
    return lines


def quarantine_lines(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return what `make quarantine` shows, of stream, column, reason, count, first seen, an example with its reason and
    file (empty where it is of none), and whether these are lines of files; and what helps against each kind.
    """
    if not rows:
        return ["No row is set aside."]
    lines = []
    for stream, column, reason, count, since, value, first, file, is_line in rows:
        kind = "line" if is_line else "row"
        lines.append(f"{stream}.{column}: {count} {kind if count == 1 else f'{kind}s'} since {since}: {reason}")
        place = f", file {file}" + (f", {' '.join(first.split()[:2])}" if is_line else "") if file else ""
        lines.append(f"         for example {str(value)[:100]!r}{place}")
    lines.append('All of them: make trino q="table raw.quarantine"')
    if released := sorted({row[0] for row in rows if not row[8]}):
        lines.append("After you have corrected the source or the contract:")
        lines += [f"  make quarantine replay={stream}" for stream in released]
    if of_files := sorted({row[0] for row in rows if row[8]}):
        lines.append(
            "Lines that are not valid rows can't be replayed. Correct the file (it is then read again), or the "
            "stream's settings in its Meltano file. To clear the list:"
        )
        clear = "delete from lake.raw.quarantine where stream = '{}' and key = '{{}}' and reason like 'line %'"
        lines += [f'  make trino q="{clear.format(stream)}"' for stream in of_files]
    return lines


def of_source(name: str, others: Sequence[str], streams: Sequence[str]) -> str:
    """Return a condition in SQL for the rows of a source's streams: they begin with its name.

    others: names of the sources that stay. streams: those which are another source's, whatever they begin with.
    """
    longer = [each for each in others if each.startswith(f"{name}_")]
    parts = [f"starts_with(stream, {_text(f'{name}_')})"]
    parts += [f"not starts_with(stream, {_text(f'{each}_')})" for each in longer]
    kept = sorted(each for each in streams if each.startswith(f"{name}_"))
    if kept:
        parts.append(f"stream not in ({', '.join(map(_text, kept))})")
    return " and ".join(parts)


def _text(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"
