"""Ranges of a table's blocks: how a complete read is divided, and what is left of a read that died."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Blocks:
    """The blocks from `start` on and before `end`. A partitioned table has them in each of its parts."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """How many there are."""
        return self.end - self.start

    def condition(self, *, to_the_end: bool = False) -> str:
        """Return the SQL condition of the rows in them; `to_the_end`: and of those in all blocks behind."""
        return f"ctid >= '({self.start},0)'" + ("" if to_the_end else f" and ctid < '({self.end},0)'")

    def divided(self, count: int) -> list[Blocks]:
        """Return `count` ranges of about the same size that follow each other without a gap."""
        bounds = [self.start + self.size * number // count for number in range(count + 1)]
        return [Blocks(*pair) for pair in itertools.pairwise(bounds)]


def gaps(depth: int, done: Iterable[Blocks], most: int) -> Sequence[Blocks]:
    """Return what is left of a table with `depth` blocks, in ranges of at most `most`.

    The last one ends where the table ends, and may be empty: rows behind it would be found with it.
    """
    found: list[Blocks] = []
    at = 0
    for each in sorted(done):
        if each.start > at:
            found += _of_size(Blocks(at, each.start), most)
        at = max(at, each.end)
    return [*found, *_of_size(Blocks(at, max(at, depth)), most)]


def _of_size(blocks: Blocks, most: int) -> list[Blocks]:
    return blocks.divided(max(1, -(-blocks.size // max(most, 1))))
