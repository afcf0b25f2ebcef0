"""The list of what a tap has read (headwater_contracts.seen), stored once per table, however many snapshots there are.

If each snapshot had a bookmark with all files of a folder, the metadata would become too large. So a snapshot's summary
has the list's digest and what its load added; a table property has the whole list by load, written in the same commit.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from headwater_contracts.seen import SEEN, pack, shortened, unpack

PROPERTY = "headwater.seen"
"""Of the table: load → what it added to the list; with a number behind it, the text goes on."""
PIECE_LETTERS = 400_000
"""Of one property: AWS Glue takes 512,000 bytes."""
ADDED = "headwater.seen-added"
ANEW = "headwater.seen-anew"
"""Of a snapshot: what its load added, and whether the list begins with it."""


def added(bookmark: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, str]:
    """Return what a snapshot says of the list beside its bookmark; `base` is the bookmark before it."""
    now, before = bookmark.get(SEEN), base.get(SEEN, "")
    if not isinstance(now, str):
        return {}
    known = unpack(before) if isinstance(before, str) else {}
    seen = unpack(now)
    anew = not isinstance(before, str) or not before or not known.keys() <= seen.keys()
    more = seen if anew else {name: version for name, version in seen.items() if known.get(name) != version}
    return {ADDED: pack(more), ANEW: str(anew).lower()}


def short(bookmark: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bookmark without the list, but with what tells it apart."""
    seen = bookmark.get(SEEN)
    return {**bookmark, SEEN: shortened(seen)} if isinstance(seen, str) else dict(bookmark)


def kept(properties: Mapping[str, str], load: int, said: Mapping[str, str]) -> dict[str, str]:
    """Return the table's list after a load of which a snapshot says `said`; `properties` are those before it."""
    if ADDED not in said:
        return {}
    before = {} if said[ANEW] == "true" else _until(properties, load - 1)
    text = json.dumps({**before, str(load): said[ADDED]} if said[ADDED] else before)
    pieces = [text[start : start + PIECE_LETTERS] for start in range(0, len(text), PIECE_LETTERS)]
    stale = ("" for _ in itertools.takewhile(properties.__contains__, map(_name, itertools.count(len(pieces)))))
    return {_name(number): piece for number, piece in enumerate((*pieces, *stale))}


def whole(
    bookmark: dict[str, Any], load: int, said: Mapping[str, str], properties: Mapping[str, str]
) -> dict[str, Any]:
    """Return a short bookmark with its list. It stays short where the table has no longer what that load knew."""
    if not isinstance(wanted := bookmark.get(SEEN), dict):
        return bookmark
    seen: dict[bytes, bytes] = {}
    for each in _until({**properties, **kept(properties, load, said)}, load).values():
        seen |= unpack(each)
    return {**bookmark, SEEN: text} if shortened(text := pack(seen)) == wanted else bookmark


def _until(properties: Mapping[str, str], load: int) -> dict[str, str]:
    """Return the lists of loads up to one, the oldest first; later ones are of a table that was rolled back since."""
    pieces = itertools.takewhile(properties.__contains__, map(_name, itertools.count()))
    found = json.loads("".join(properties[name] for name in pieces) or "{}")
    return {number: found[number] for number in sorted(found, key=int) if int(number) <= load}


def _name(number: int) -> str:
    return f"{PROPERTY}.{number}" if number else PROPERTY
