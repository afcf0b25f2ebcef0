"""Names of columns, as files have them: any text, twice, or none at all."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tap_files.dialect import distinct

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def clean(name: str) -> str:
    """Return a name without what no table's column may have: control characters, half of a surrogate pair."""
    return _CONTROL.sub("_", name.encode("utf-8", "replace").decode()).strip()


def columns(names: Iterable[str]) -> tuple[str, ...]:
    """Return the columns' names by their place: none empty, none twice."""
    return distinct(map(clean, names))


def keys(names: Iterable[str]) -> dict[str, str]:
    """Return key of an object → name of its column; a key's place says nothing."""
    found = tuple(names)
    return dict(zip(found, distinct(clean(each) or "unnamed" for each in found), strict=True))
