"""The one error of this package, and the checks that raise it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

Choice = TypeVar("Choice", bound=StrEnum)


class ContractError(ValueError):
    """A contract's file, key and value, and what would be right."""


def wrong(place: str, value: object, way_out: str) -> ContractError:
    """Return the error for `value` at `place` (file and key)."""
    return ContractError(f"{place}: {value!r} is not possible; {way_out}")


def mapping(place: str, value: Any, allowed: Iterable[str], required: Iterable[str] = ()) -> Mapping[str, Any]:
    """Return `value` if it is a mapping of allowed keys that has the required ones; ContractError otherwise."""
    if not isinstance(value, dict):
        raise wrong(place, value, "write keys and values")
    known = sorted(allowed)
    for key in value:
        if key not in known:
            raise ContractError(f"{place}: unknown key {key!r}; possible are {', '.join(known)}")
    for key in required:
        if value.get(key) is None:
            raise ContractError(f"{place}: the key {key!r} is missing")
    return value


def text(place: str, value: Any) -> str:
    """Return `value` if it is a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise wrong(place, value, "write a text (in quotes, where YAML reads it as something else)")
    return value.strip()


def texts(place: str, value: Any) -> tuple[str, ...]:
    """Return a list of distinct texts as a tuple."""
    if not isinstance(value, list):
        raise wrong(place, value, "write a list, [a, b]")
    found = tuple(text(place, each) for each in value)
    if len(set(found)) != len(found):
        raise wrong(place, value, "name each only once")
    return found


def choice(place: str, value: Any, choices: type[Choice]) -> Choice:
    """Return the member of `choices` that `value` names."""
    try:
        return choices(value)
    except ValueError:
        raise wrong(place, value, f"use {' or '.join(choices)}") from None


def flag(place: str, value: Any) -> bool:
    """Return `value` if it is true or false."""
    if not isinstance(value, bool):
        raise wrong(place, value, "use true or false")
    return value
