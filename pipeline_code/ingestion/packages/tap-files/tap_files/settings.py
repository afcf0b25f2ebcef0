"""The tap's settings: defaults, those of single streams, and whether a configuration needs nothing of the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater_tap.command import is_bulk

from tap_files.errors import FilesError
from tap_files.store import S3_SETTINGS

DEFAULTS: Mapping[str, Any] = {"stream_prefix": "", "streams": {}, "emit_activate_version_messages": True}
_TEXTS = ("path", "stream_prefix", "contracts", "positions_file", *S3_SETTINGS)
_OF_STREAM: Mapping[str, type] = {
    "files": str, "delimiter": str, "quote": str, "escape": str, "encoding": str, "decimal": str, "header": bool,
    "skip": int,
}  # fmt: skip


@dataclass(frozen=True)
class StreamSettings:
    """What is said of a stream's files, None where it is found out of each file.

    files: a pattern of paths below the root, in place of the rule of names. delimiter, quote, escape, header (whether
    the first line names the columns), skip (lines before it), decimal (`,` for 1,5): of CSV. encoding: Python's name.
    """

    files: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    header: bool | None = None
    skip: int | None = None


def for_bulk(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a configuration with its defaults if it hands rows over in bulk and every setting is right.

    None for anything else, errors included: the SDK's classes do the rest, and say what is wrong.
    """
    given = {name: value for name, value in config.items() if value is not None}
    batches = given.pop("batch_config", None)
    if not is_bulk(batches) or not given.get("path"):
        return None
    for name, value in given.items():
        right = (
            isinstance(value, str) if name in _TEXTS
            else isinstance(value, Mapping) if name == "streams"
            else isinstance(value, bool) if name == "emit_activate_version_messages"
            else False
        )  # fmt: skip
        if not right:
            return None
    return {**DEFAULTS, **given, "batch_config": batches}


def stream_settings(config: Mapping[str, Any]) -> dict[str, StreamSettings]:
    """Return the settings of single streams by name, without the prefix. FilesError names what is wrong."""
    found = {}
    for stream, given in (config.get("streams") or {}).items():
        place = f"setting streams.{stream}"
        if not isinstance(given, Mapping):
            raise FilesError(f"{place}: {given!r} is no object; allowed in it: {', '.join(_OF_STREAM)}")
        for name, value in given.items():
            if name not in _OF_STREAM:
                raise FilesError(f"{place}.{name} is not known; allowed: {', '.join(_OF_STREAM)}")
            if type(value) is not _OF_STREAM[name]:
                raise FilesError(f"{place}.{name}: {value!r} is no {_OF_STREAM[name].__name__}")
        found[stream] = StreamSettings(**{**given, **_checked(place, given)})
    return found


def _checked(place: str, given: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("quote", "escape", "decimal"):
        if len(given.get(name, "x")) > 1:
            raise FilesError(f"{place}.{name}: {given[name]!r} is more than one character")
    if given.get("decimal", ".") not in {".", ","}:
        raise FilesError(f"{place}.decimal: {given['decimal']!r}; use '.' or ','")
    if "encoding" in given:
        try:
            "".encode(given["encoding"])
        except LookupError as error:
            raise FilesError(f"{place}.encoding: {given['encoding']!r} is no encoding of Python's") from error
    return {"delimiter": given["delimiter"].replace("\\t", "\t")} if "delimiter" in given else {}
