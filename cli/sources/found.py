"""What discovery reports about a source's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Found:
    """A table of the source: its stream, and its place in `raw`. `clash` is the table that has this place already.

    rows: an estimate of the source's, None where it has none. contract: the text of its contract. settings: of files,
    the dialect that was found out.
    """

    name: str
    stream: str
    table: str
    key: tuple[str, ...]
    replication_key: str | None
    rows: int | None
    clash: str | None
    contract: str
    files: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return what people are told of it, in a line."""
        rows = "rows not counted yet" if self.rows is None else f"about {self.rows:,} rows"
        if self.files is not None:
            rows = f"{self.rows or 0:,} rows in {self.files:,} file{'' if self.files == 1 else 's'}"
        key = f"key {', '.join(self.key)}" if self.key else "no key"
        dialect = "".join(f", {name} {value!r}" for name, value in self.settings.items())
        lost = "" if self.clash is None else f"; left out: raw.{self.table} is {self.clash}'s"
        how = "in full, each time" if self.replication_key is None else f"by {self.replication_key}"
        return f"{self.name}: {rows}, {key}, changes {how}{dialect}{lost}"


@dataclass(frozen=True)
class Discovery:
    """The tables of a source, what its owner should know beside, and the streams that can't be read as they are."""

    tables: tuple[Found, ...]
    notes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def parse_answer(answer: Mapping[str, Any]) -> Discovery:
    """Return what discovery printed."""
    return Discovery(parse_tables(answer["tables"]), tuple(answer.get("notes", ())), tuple(answer.get("left", ())))


def parse_tables(found: Sequence[Mapping[str, Any]]) -> tuple[Found, ...]:
    """Return the tables of what discovery printed."""
    return tuple(
        Found(
            each["name"], each["stream"], each["table"], tuple(each["key"]), each["replication_key"], each["rows"],
            each["clash"], each["contract"], each.get("files"), each.get("settings", {}),
        )
        for each in found
    )  # fmt: skip
