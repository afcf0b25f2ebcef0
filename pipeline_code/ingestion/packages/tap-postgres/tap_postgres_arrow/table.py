"""A table of the source, as it is read."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from tap_postgres_arrow.columns import Column, quoted

BLOCK_BYTES = 8_192
"""PostgreSQL's block, but for servers that somebody compiled otherwise: there, divisions are less even."""
LOADED_AT = "_loaded_at"
"""Column that the lake's tables have of their own."""


@dataclass(frozen=True)
class Table:
    """A table of the source: the columns that may be read in their own order, primary key in the key's order.

    The key is empty where it does not tell all rows apart. Sizes are those of the table's partitions or children, too.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    row_bytes: int
    """Mean size of a row as the source stores it; 0 if it does not know, see `Source.row_bytes`."""
    pages: int
    """Blocks of the table, without its long values."""
    depth: int
    """Blocks of the largest of its parts: no row's `ctid` is beyond."""
    prefix: str = ""
    """What the stream's name has before the table's."""
    rows: int | None = None
    """Estimated; None where the server never counted."""
    bytes: int = 0
    """Size with the long values."""
    has_versions: bool = True
    """Whether a row's place and writer (`ctid`, `xmin`) can be asked: not with a grant of some columns only."""
    hidden_from: str | None = None
    """The role, if row level security may keep rows from it."""
    notes: tuple[str, ...] = ()
    """What its owner should know: what is not read of it, or not as it could be."""

    @property
    def stream(self) -> str:
        """Name of the table's stream."""
        return f"{self.prefix}{self.name}"

    @property
    def block_bytes(self) -> int:
        """Bytes of the table's blocks, see `pages`."""
        return self.pages * BLOCK_BYTES

    @property
    def relation(self) -> str:
        """Schema-qualified name, for people."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """Schema-qualified name, quoted."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def query(self, columns: tuple[Column, ...], condition: str | None) -> str:
        """Return the query of the rows to send, whose columns are called `alias(0)` and so on.

        `condition` is a SQL condition or None for all rows. Identifiers are quoted, and the condition comes from
        boundary.py, whose literals are typed values.
        """
        items = ", ".join(f"{column.value} as {alias(number)}" for number, column in enumerate(columns))
        return f"select {items} from {self.sql}" + ("" if condition is None else f" where {condition}")  # noqa: S608

    def left_out(self, columns: tuple[Column, ...]) -> str | None:
        """Return why these columns of the table can't be loaded, and the way out; None if they can."""
        if self.hidden_from is not None:
            return (
                f"{self.relation} is left out: row level security may hide rows of it from the role. Let the role see "
                f"all (alter role {self.hidden_from} bypassrls), or read as the table's owner"
            )
        own = next((column.name for column in columns if column.name.lower() == LOADED_AT), None)
        if own is not None:
            return (
                f"{self.relation} is left out: column {own} is one that the lake's tables have of their own. Rename "
                f"it in the source, or deselect it: - '!{self.stream}.{own}' below `select`"
            )
        return None


def doubled(tables: Iterable[Table], known: Container[str]) -> dict[Table, Table]:
    """Return the tables that would be one with another in the lake, and which that is. `known` are streams loaded
    before: they stay what they are; of new ones that which is called as the lake's table.
    """
    from headwater_contracts import table_name

    owners: dict[str, Table] = {}
    lost = {}
    names = {each: table_name(each.stream) for each in tables}
    for table, name in sorted(names.items(), key=lambda each: (each[0].stream not in known, each[0].stream != each[1])):
        if (owner := owners.setdefault(name, table)) is not table:
            lost[table] = owner
    return lost


def collision(table: Table, owner: Table) -> dict[str, str]:
    """Return what is said of a table that would be one with `owner` in the lake, and the way out."""
    return {
        "message": f"{table.relation} is left out: in the lake it would be the table that {owner.relation} is",
        "decision": f"Rename one of them in the source, or deselect one: - '!{table.stream}.*' below `select`",
    }


def alias(number: int) -> str:
    """Return the name of a query's column: the engine takes names that differ by case only for one."""
    return f"c{number}"
