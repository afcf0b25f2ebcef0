"""Tables on a terminal."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence

WIDEST = 100_000
"""Columns of a line: a terminal wraps or cuts what is longer, and a file holds it whole."""


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = (), *, ruled: bool = False
) -> list[str]:
    """Return the lines of an aligned table. `right`: columns of numbers. `ruled`: with lines between the columns."""
    # Imported here: it takes 0.1 s.
    from rich import box
    from rich.console import Console
    from rich.table import Table

    made = Table(box=box.ASCII if ruled else None, show_edge=False, pad_edge=False, header_style="")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    console = Console(file=io.StringIO(), width=WIDEST, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as shown:
        console.print(made)
    return [line.rstrip() for line in shown.get().splitlines()]
