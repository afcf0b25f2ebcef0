"""Which files were read already: the bookmark knows each by path, size and time (headwater_contracts.seen).

A file that is not in the bookmark is new, however old its date is: it may have been restored, copied with its old time,
or uploaded slowly to a store that dates uploads by their start. A file with another size or time was written again. A
deleted file stays in the bookmark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headwater_contracts.seen import SEEN, Seen, entry, pack, unpack

from tap_files.errors import FilesError
from tap_files.store import File


@dataclass(frozen=True)
class Position:
    """The files that were read. `until` is the order of the last of them, where it is known."""

    seen: Seen = field(default_factory=dict)
    until: tuple[int, str] | None = None

    @classmethod
    def from_state(cls, stream: str, state: Mapping[str, Any], files: Sequence[File]) -> Position | None:
        """Return the position of a Singer bookmark; None where nothing was read yet. `files` are there now.

        FilesError where the bookmark can't tell which files it is about.
        """
        if "read" in state:
            return _of_older_version(stream, state, files)
        if SEEN not in state:
            return None
        if not isinstance(state[SEEN], str):
            raise FilesError(
                f"stream {stream}: its table was put back to a load whose files are no longer known; "
                "load it in full: headwater-ingest --full-refresh"
            )
        until = state.get("until")
        return cls(unpack(state[SEEN]), None if until is None else (int(until[0]), str(until[1])))

    def has(self, file: File) -> bool:
        """Whether this version of a file was read."""
        name, version = _entry(file)
        return self.seen.get(name) == version

    def after(self, files: Iterable[File]) -> Position:
        """Return the position after these files, too."""
        read = list(files)
        orders = [each.order for each in read] + ([] if self.until is None else [self.until])
        return Position({**self.seen, **dict(map(_entry, read))}, max(orders, default=None))

    def to_state(self) -> dict[str, Any]:
        """Return it as entries of a Singer bookmark."""
        return {SEEN: pack(self.seen), **({} if self.until is None else {"until": list(self.until)})}


def has_read(state: Mapping[str, Any]) -> bool:
    """Whether a Singer bookmark is of a stream of which anything was read."""
    return SEEN in state or "read" in state


@dataclass(frozen=True)
class News:
    """What is to be read, the oldest first. `late`: some are dated before files that were read already.

    gone: how many files were read and are no more.
    """

    files: tuple[File, ...]
    late: bool = False
    gone: int = 0


def since(position: Position | None, files: Sequence[File], *, in_order: bool = False) -> News:
    """Return what is new among the files that are there now.

    in_order: after a late file, those that are dated after it come once more, so that of a key the newest row stays.
    """
    ordered = tuple(sorted(files, key=lambda each: each.order))
    if position is None:
        return News(ordered)
    new = tuple(each for each in ordered if not position.has(each))
    late = bool(new) and position.until is not None and new[0].order < position.until
    gone = len(position.seen.keys() - {_entry(each)[0] for each in ordered})
    if late and in_order:
        new = tuple(each for each in ordered if each.order >= new[0].order)
    return News(new, late, gone)


def _entry(file: File) -> tuple[bytes, bytes]:
    return entry(file.name, f"{file.size} {file.modified_us}")


def _of_older_version(stream: str, state: Mapping[str, Any], files: Sequence[File]) -> Position:
    """Return the position of a bookmark that names the newest files, and of those before has the number and a digest.

    Where fewer are there than it counted, all that are dated before the newest count as read.
    """
    newest = [File(name, size, modified) for name, size, modified in state["read"]]
    if not newest:
        return Position()
    older = [each for each in files if each.order < newest[0].order]
    if len(older) > state["before"] or (len(older) == state["before"] and _digest(older) != state["digest"]):
        raise FilesError(
            f"stream {stream}: a file is dated before those that were read last, and was not there then. The bookmark "
            "is of an older version and does not tell which one: load it in full (headwater-ingest --full-refresh)"
        )
    return Position().after([*older, *newest])


def _digest(files: Iterable[File]) -> str:
    """Return the digest of such a bookmark; it does not depend on the files' order."""
    total = 0
    for each in files:
        said = f"{each.name}\0{each.size}\0{each.modified_us}".encode()
        total += int.from_bytes(hashlib.sha256(said).digest()[:8], "big")
    return f"{total % 2**64:016x}"
