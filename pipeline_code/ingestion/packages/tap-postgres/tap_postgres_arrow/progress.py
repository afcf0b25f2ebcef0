"""The progress of a complete read: the target keeps it, so that a later run can continue a run that died.

Rows that an earlier run read in a range of blocks are used only if it is proved that this run would read the same. The
earlier run's snapshot saw everything that transactions before its xmin had written, and no version of a row ever
changes or moves. So the older versions that this run sees in the range are among those that were stored. If there are
as many of them, they are the same. This run also reads all other versions that it sees in the range.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from tap_postgres_arrow import identity
from tap_postgres_arrow.blocks import Blocks
from tap_postgres_arrow.boundary import XIDS, Key, Snapshot, parse_key, written_since
from tap_postgres_arrow.engine import Connection
from tap_postgres_arrow.reading import Reading

logger = logging.getLogger(__name__)

Tell = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Resume:
    """How progress is kept: at most every so many `seconds`, of tables of more than `piece_bytes`; `tell` sends it."""

    seconds: int
    piece_bytes: int
    tell: Tell


@dataclass(frozen=True)
class Finished:
    """Blocks whose rows are stored in `files`: all that a snapshot saw of them. `key` is the greatest of their keys."""

    blocks: Blocks
    files: tuple[str, ...]
    xmin: int
    xmax: int
    standby: bool
    key: str | int | None
    rows: int = 0
    """As the target counts them: those of the files."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Return what `told` has said."""
        return cls(**{**told, "blocks": Blocks(*told["blocks"]), "files": tuple(told["files"])})

    def told(self) -> dict[str, Any]:
        """Return it as JSON; the number of rows is the target's to say."""
        found = {**asdict(self), "blocks": [self.blocks.start, self.blocks.end], "files": list(self.files)}
        del found["rows"]
        return found

    def is_before(self, snapshot: Snapshot, *, standby: bool) -> bool:
        """Whether all that was seen then is seen, or was removed, in `snapshot`, and row versions tell their age.

        On a server that is no standby later snapshots see more. A standby may be behind another: there all
        transactions that were not yet to be seen then have to have ended.
        """
        follows = self.xmax <= snapshot.xmin if standby or self.standby else self.xmax <= snapshot.xmax
        return follows and self.xmin <= snapshot.xmin and snapshot.xmax - self.xmin < XIDS


@dataclass(frozen=True)
class Found:
    """What has become of blocks that an earlier run has read: whether its rows stay, and how many came since."""

    stays: bool
    added: int


class Progress:
    """What is stored of one table."""

    def __init__(self, reading: Reading, resume: Resume, now: identity.Identity, *, standby: bool) -> None:
        """Begin with nothing."""
        self._reading, self._resume, self._identity, self._standby = reading, resume, now, standby
        self._told_at, self._untold = time.monotonic(), False
        self._finished: dict[Blocks, Finished] = {}
        self.added: dict[Blocks, str] = {}
        """Conditions of rows that came since, in blocks whose others are stored."""

    @classmethod
    def begin(cls, reading: Reading, resume: Resume | None, wanted: Mapping[str, Any]) -> Self | None:
        """Return where a read begins, if its progress is to be kept, and the target (`wanted`) keeps it."""
        if resume is None or wanted.get("progress") is None:
            return None
        found = identity.identity(reading, wanted)
        if isinstance(found, str):
            logger.info("%s: progress is not kept: %s", reading.table.relation, found)
            return None
        return cls(reading, resume, found[0], standby=found[1])

    def go_on(self, told: Mapping[str, Any], ask: Callable[[Sequence[Finished]], Sequence[Found]]) -> list[str]:
        """Take over what an earlier run has read and what is the same now; return its files. The log says what is not.

        `told` is what the target holds of it, `ask` asks `count` of all.
        """
        if not told:
            return []
        relation = self._reading.table.relation
        if (other := identity.difference(told["source"], self._identity)) is not None:
            logger.info("%s: what an earlier run has read of it is read anew: %s", relation, other)
            return []
        snapshot = self._reading.source.snapshot
        earlier = [Finished.of(each) for each in told["pieces"]]
        chosen = [each for each in earlier if each.is_before(snapshot, standby=self._standby)]
        found = list(zip(chosen, ask(chosen), strict=True))
        for each, state in found:
            if state.stays:
                self._finished[each.blocks] = self._seen_now(each) if state.added == 0 else each
                if state.added:
                    since = written_since(each.xmin, snapshot)
                    self.added[each.blocks] = f"{each.blocks.condition()} and {since}"
        kept = self._finished.values()
        logger.info(
            "%s: going on from a run that died: %d of its %d pieces, %d rows, are unchanged and not read again; "
            "%d rows came into them since",
            relation, len(kept), len(earlier), self.rows, sum(state.added for _, state in found if state.stays),
        )  # fmt: skip
        return [file for each in kept for file in each.files]

    def count(self, connection: Connection, each: Finished) -> Found:
        """Ask whether the rows of some blocks are those that an earlier run has stored, and how many are new."""
        since = written_since(each.xmin, self._reading.source.snapshot)
        ((older, newer),) = connection.query(
            f"select count(*) filter (where not ({since})) as older, count(*) filter (where {since}) as newer"  # noqa: S608
            f" from {self._reading.table.sql} where {each.blocks.condition()}"
        )
        return Found(older == each.rows, newer)

    @property
    def piece_bytes(self) -> int:
        """How large a piece may be."""
        return self._resume.piece_bytes

    @property
    def blocks(self) -> list[Blocks]:
        """Blocks that are read, but for what is `added`."""
        return [each.blocks for each in self._finished.values()]

    @property
    def rows(self) -> int:
        """Rows that an earlier run has left."""
        return sum(each.rows for each in self._finished.values())

    @property
    def keys(self) -> list[Key]:
        """The greatest keys of what is stored."""
        column = self._reading.key_column
        if column is None:
            return []
        return [parse_key(each.key, column) for each in self._finished.values() if each.key is not None]

    def done(self, blocks: Blocks | None, file: str | None, key: Key | None) -> None:
        """Note that the rest of some blocks is stored in `file`, None if it had no row; `key` is its greatest."""
        if blocks is None:
            raise ValueError("a piece of a read whose progress is kept has no place in the table")
        files = () if file is None else (file,)
        self._untold = True
        known = self._finished.get(blocks)
        if known is None:
            seen = self._reading.source.snapshot
            self._finished[blocks] = Finished(blocks, files, seen.xmin, seen.xmax, self._standby, _text(key))
            return
        column = self._reading.key_column
        before = None if known.key is None or column is None else parse_key(known.key, column)
        keys = [each for each in (before, key) if each is not None]
        joined = replace(known, files=(*known.files, *files), key=_text(max(keys, default=None)))
        self._finished[blocks] = self._seen_now(joined)

    def is_due(self) -> bool:
        """Whether it is time to have it kept again."""
        return self._untold and time.monotonic() - self._told_at >= self._resume.seconds

    def tell(self) -> None:
        """Have the target keep it."""
        self._told_at, self._untold = time.monotonic(), False
        self._resume.tell(
            {
                "source": self._identity,
                "pieces": [each.told() for _, each in sorted(self._finished.items())],
            }
        )

    def _seen_now(self, each: Finished) -> Finished:
        """Return it as what this run's snapshot sees."""
        seen = self._reading.source.snapshot
        return replace(each, xmin=seen.xmin, xmax=seen.xmax, standby=self._standby)


def _text(key: Key | None) -> str | int | None:
    return key.isoformat() if isinstance(key, dt.date) else key
