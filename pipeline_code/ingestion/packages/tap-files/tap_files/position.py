"""Which files were read already: a bookmark that stays small however large the folder grows.

It names the files that were written last, and of all before them it keeps the number and one digest. A file that comes
later is new; so is one that was written again. A file that is dated before those, and was not there (restored, copied
with its old time, or an upload that took long: a store dates it by its begin), changes the number or the digest. Which
one it is can't be told then, so everything is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tap_files.store import File

NAMED = 100
"""Files that the bookmark names."""


@dataclass(frozen=True)
class Position:
    """The files that were read: `newest` by name, and how many came before them, with their digest."""

    newest: tuple[File, ...]
    before: int
    digest: str

    @classmethod
    def of(cls, files: Iterable[File]) -> Position:
        """Return the position after these files."""
        ordered = sorted(files, key=lambda each: each.order)
        older, newest = ordered[:-NAMED], ordered[-NAMED:]
        return cls(tuple(newest), len(older), _digest(older))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Position | None:
        """Return the position of a Singer bookmark; None where nothing was read yet."""
        if "read" not in state:
            return None
        newest = tuple(File(name, size, modified) for name, size, modified in state["read"])
        return cls(newest, int(state["before"]), str(state["digest"]))

    def to_state(self) -> dict[str, Any]:
        """Return it as entries of a Singer bookmark."""
        read = [[each.name, each.size, each.modified_us] for each in self.newest]
        return {"read": read, "before": self.before, "digest": self.digest}


@dataclass(frozen=True)
class News:
    """What is to be read, the oldest first. `lost` tells why everything is; `gone` files were read and are no more."""

    files: tuple[File, ...]
    lost: str | None = None
    gone: int = 0


def since(position: Position | None, files: Sequence[File]) -> News:
    """Return what is new among the files that are there now."""
    ordered = tuple(sorted(files, key=lambda each: each.order))
    if position is None or not position.newest:
        return News(ordered)
    start = position.newest[0].order
    older = [each for each in ordered if each.order < start]
    if len(older) > position.before or (len(older) == position.before and _digest(older) != position.digest):
        return News(ordered, "a file is dated before those that were read last, and was not there then")
    read = frozenset(position.newest)
    new = tuple(each for each in ordered if each.order >= start and each not in read)
    # A file that was written again is no longer among the old ones.
    missing = position.before - len(older) + len(read - set(ordered))
    again = {each.name for each in new} & {each.name for each in read}
    return News(new, gone=max(missing - len(again), 0))


def _digest(files: Iterable[File]) -> str:
    """Return a digest of files that does not depend on their order."""
    total = 0
    for each in files:
        said = f"{each.name}\0{each.size}\0{each.modified_us}".encode()
        total += int.from_bytes(hashlib.sha256(said).digest()[:8], "big")
    return f"{total % 2**64:016x}"
