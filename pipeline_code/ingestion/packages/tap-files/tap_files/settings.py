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
OF_STREAM: Mapping[str, type] = {
    "files": str, "delimiter": str, "quote": str, "escape": str, "encoding": str, "decimal": str, "header": bool,
    "skip": int, "comment": str, "null": list, "leave_out": bool,
}  # fmt: skip
_BACKSLASHED = {"\\t": "\t", "\\x01": "\x01", "\\x1f": "\x1f"}
"""What a delimiter may be said by."""


@dataclass(frozen=True)
class StreamSettings:
    """What is said of a stream's files, None where it is found out of each file.

    files: a pattern of paths below the root, in place of the rule of names. encoding: Python's name. leave_out: whether
    the stream is not read at all. Of CSV: delimiter, quote, escape, header (whether the first line names the columns),
    skip (lines before it), comment (what lines before the header begin with that are passed over), decimal (`,` for
    1,5), null (texts without quotes that are no value, beside the empty one).
    """

    files: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    header: bool | None = None
    skip: int | None = None
    comment: str | None = None
    null: tuple[str, ...] = ()
    leave_out: bool = False


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
            raise FilesError(f"{place}: {given!r} is no object; allowed in it: {', '.join(OF_STREAM)}")
        for name, value in given.items():
            if name not in OF_STREAM:
                raise FilesError(f"{place}.{name} is not known; allowed: {', '.join(OF_STREAM)}")
            if type(value) is not OF_STREAM[name]:
                raise FilesError(f"{place}.{name}: {value!r} is no {OF_STREAM[name].__name__}")
        found[stream] = StreamSettings(**{**given, **_checked(place, given)})
    return found


def _checked(place: str, given: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("quote", "escape", "decimal"):
        if len(given.get(name, "x")) > 1:
            raise FilesError(f"{place}.{name}: {given[name]!r} is more than one character")
    if given.get("decimal", ".") not in {".", ","}:
        raise FilesError(f"{place}.decimal: {given['decimal']!r}; use '.' or ','")
    if given.get("skip", 0) < 0:
        raise FilesError(f"{place}.skip: {given['skip']}; it is a number of lines, 0 or more")
    if "encoding" in given:
        try:
            "".encode(given["encoding"])
        except LookupError as error:
            raise FilesError(f"{place}.encoding: {given['encoding']!r} is no encoding of Python's") from error
    checked: dict[str, Any] = {}
    if "null" in given:
        if not all(isinstance(each, str) for each in given["null"]):
            raise FilesError(f"{place}.null: {given['null']!r} is no list of texts")
        checked["null"] = tuple(given["null"])
    if "delimiter" in given:
        delimiter = _BACKSLASHED.get(given["delimiter"], given["delimiter"])
        if not delimiter or set(delimiter) & set("\r\n") or delimiter == given.get("quote", '"'):
            raise FilesError(f"{place}.delimiter: {given['delimiter']!r} can't separate values")
        checked["delimiter"] = delimiter
    return checked
