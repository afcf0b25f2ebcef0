"""`make trino`: one query, or a SQL prompt with a history."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import trino
from trino.exceptions import Error as TrinoError

CATALOG = "lake"
MAX_CELL = 80


def cell(value: object) -> str:
    """Return a value as shown: NULL, or its text on one line."""
    return "NULL" if value is None else " ".join(str(value).split())


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return an aligned table: header, rule, rows; numbers to the right, long cells cut at MAX_CELL."""
    texts = [[cell(value)[:MAX_CELL] for value in row] for row in rows]
    widths = [max([len(name), *(len(row[at]) for row in texts)]) for at, name in enumerate(columns)]
    numeric = [all(_number(row[at]) for row in rows) and bool(rows) for at in range(len(columns))]

    def line(values: Sequence[str]) -> str:
        cells = (v.rjust(w) if n else v.ljust(w) for v, w, n in zip(values, widths, numeric, strict=True))
        return " | ".join(cells).rstrip()

    return [line(columns), "-+-".join("-" * width for width in widths), *(line(row) for row in texts)]


def _number(value: object) -> bool:
    from decimal import Decimal

    return value is None or (isinstance(value, (int, float, Decimal)) and not isinstance(value, bool))


def statements(text: str) -> Iterator[str]:
    """Yield the statements of `text`, split at semicolons outside quotes and comments; the last may lack its own."""
    current, quote, at = "", "", 0
    while at < len(text):
        pair, char = text[at : at + 2], text[at]
        if not quote and pair in {"--", "/*"}:
            close = "\n" if pair == "--" else "*/"
            end = text.find(close, at + 2)
            at = len(text) if end < 0 else end + len(close)
            current += " "
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == ";":
            if current.strip():
                yield current.strip()
            current, at = "", at + 1
            continue
        current += char
        at += 1
    if current.strip():
        yield current.strip()


def complete(text: str) -> bool:
    """Return whether the typed text ends a statement: a semicolon outside quotes at its end."""
    return text.rstrip().endswith(";") and len(list(statements(text + "\n_"))) > len(list(statements(text)))


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
        print("\n".join(table(columns, rows)))
        print(f"({len(rows)} {'row' if len(rows) == 1 else 'rows'})")
        return
    for row in rows:
        print("\t".join(cell(value) for value in row))


def connect(port: int) -> Any:
    """Return a connection to Trino on this machine, in the lake's marts."""
    return trino.dbapi.connect(  # type: ignore[no-untyped-call]
        host="127.0.0.1", port=port, user=getpass.getuser(), catalog=CATALOG, schema="marts", source="headwater"
    )


def explain(error: TrinoError) -> str:
    """Return Trino's own message without the client's wrapping."""
    message = getattr(error, "message", None)
    return str(error if message is None else message)


def run(port: int, query: str | None, history: Path) -> int:
    """Run `query` (several statements may be in it), or the prompt when it is None; returns the exit status."""
    connection = connect(port)
    if query is not None:
        try:
            for sql in statements(query):
                execute(connection, sql)
        except TrinoError as error:
            print(f"trino: {explain(error)}", file=sys.stderr)
            return 1
        return 0
    return prompt(connection, history)


def prompt(connection: Any, history: Path) -> int:
    """Read statements until the end of input or `quit`. Ctrl-C drops the statement."""
    import readline

    if history.exists():
        readline.read_history_file(history)
    print("Trino, catalog lake, schema marts. A statement ends with `;`. `quit` or Ctrl-D leaves.")
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
            except TrinoError as error:
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
