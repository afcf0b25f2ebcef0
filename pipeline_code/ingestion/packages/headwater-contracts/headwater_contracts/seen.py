"""The list of things that a tap has read, as one entry of a Singer bookmark: 16 letters for each, whatever its name.

With it a tap knows each file that it has read, and in which version, however many there are. The target stores the
whole list once for each table, and in each snapshot only what is new (docs/decisions/0089-which-files-were-read.md).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

SEEN = "seen"
"""Entry of the bookmark."""
_NAME_BYTES, _VERSION_BYTES = 8, 4
_ENTRY_BYTES = _NAME_BYTES + _VERSION_BYTES

Seen = dict[bytes, bytes]
"""Digest of a thing's name → digest of its version."""


def entry(name: str, version: str) -> tuple[bytes, bytes]:
    """Return a thing's name and version as they are kept."""
    return _digest(name, _NAME_BYTES), _digest(version, _VERSION_BYTES)


def pack(seen: Mapping[bytes, bytes]) -> str:
    """Return the entry of a bookmark: the same text for the same things."""
    return base64.b64encode(b"".join(name + seen[name] for name in sorted(seen))).decode()


def unpack(text: str) -> Seen:
    """Return what `pack` made a text of."""
    whole = base64.b64decode(text)
    entries = [whole[start : start + _ENTRY_BYTES] for start in range(0, len(whole), _ENTRY_BYTES)]
    return {each[:_NAME_BYTES]: each[_NAME_BYTES:] for each in entries}


def shortened(text: str) -> dict[str, str | int]:
    """Return what tells two lists apart: how many things one has, and a digest of all."""
    return {"count": len(unpack(text)), "digest": hashlib.sha256(text.encode()).hexdigest()[:32]}


def _digest(text: str, size: int) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:size]
