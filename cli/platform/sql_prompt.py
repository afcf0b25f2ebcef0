"""`make trino`: one query, or a SQL prompt with a history. Decision 0120."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.platform.lake import FAILURES, explain
from cli.table import table
from components.lake import LAKE, SERVED

MAX_CELL = 80
# A quote or a comment that nobody closes goes on to the end.
_QUOTED = r"""'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)"""
_COMMENT = re.compile(rf"({_QUOTED})|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_STATEMENT = re.compile(rf"((?:{_QUOTED}|[^;])*)(;|\Z)")


def cell(value: object) -> str:
    """Return a value as shown: NULL, or its text on one line."""
    return "NULL" if value is None else " ".join(str(value).split())


def result(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return an aligned table: header, rule, rows; numbers to the right, long cells cut at MAX_CELL."""
    numeric = {name for at, name in enumerate(columns) if rows and all(_number(row[at]) for row in rows)}
    return table(columns, [[cell(value)[:MAX_CELL] for value in row] for row in rows], numeric, ruled=True)


def _number(value: object) -> bool:
    from decimal import Decimal

    return value is None or (isinstance(value, (int, float, Decimal)) and not isinstance(value, bool))


def _pieces(text: str) -> list[tuple[str, bool]]:
    """Return what stands between semicolons outside quotes and comments, and whether one ends it; nothing blank."""
    bare = _COMMENT.sub(lambda found: found[1] or " ", text)
    return [(each[1].strip(), bool(each[2])) for each in _STATEMENT.finditer(bare) if each[1].strip()]


def statements(text: str) -> list[str]:
    """Return the statements of `text` without comments; the last may lack its semicolon."""
    return [statement for statement, _ in _pieces(text)]


def complete(text: str) -> bool:
    """Return whether each statement of the typed text has its semicolon: nothing more has to be typed."""
    return all(ended for _, ended in _pieces(text))


def execute(connection: Any, sql: str) -> None:
    """Run one statement and print its rows: a table on a terminal, tab-separated values elsewhere."""
    cursor = connection.cursor()
    try:
        cursor.execute(sql)
        rows = cursor.fetchall()
        columns = [column[0] for column in cursor.description or []]
    except KeyboardInterrupt:
        cursor.cancel()
        raise
    if sys.stdout.isatty():
        print("\n".join(result(columns, rows)))
        print(f"({len(rows)} {'row' if len(rows) == 1 else 'rows'})")
        return
    for row in rows:
        print("\t".join(cell(value) for value in row))


def run(connection: Any, query: str | None, history: Path) -> int:
    """Run `query` (several statements may be in it), or the prompt when it is None; returns the exit status."""
    if query is not None:
        try:
            for sql in statements(query):
                execute(connection, sql)
        except FAILURES as error:
            print(f"trino: {explain(error)}", file=sys.stderr)
            return 1
        return 0
    return prompt(connection, history)


def prompt(connection: Any, history: Path) -> int:
    """Read statements until the end of input or `quit`. Ctrl-C drops the statement."""
    import readline

    if history.exists():
        readline.read_history_file(history)
    print(f"Trino, catalog {LAKE}, schema {SERVED}. A statement ends with `;`. `quit` or Ctrl-D leaves.")
    text = ""
    try:
        while True:
            try:
                text += input("trino> " if not text else "    -> ") + "\n"
                if not text.strip():
                    text = ""
                if text.strip().lower().rstrip(";") in {"quit", "exit"}:
                    return 0
                if not complete(text):
                    continue
                for sql in statements(text):
                    execute(connection, sql)
                text = ""
            except FAILURES as error:
                print(f"error: {explain(error)}")
                text = ""
            except KeyboardInterrupt:
                print("^C")
                text = ""
            except EOFError:
                print()
                return 0
    finally:
        readline.set_history_length(2000)
        readline.write_history_file(history)
