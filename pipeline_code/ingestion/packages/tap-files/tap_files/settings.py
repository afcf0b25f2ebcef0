"""The tap's settings, as its command shows and checks them, and those of single streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater_singer import Program, Setting
from headwater_tap.command import BATCH_CONFIG, CAPABILITIES, POSITIONS_FILE, REPLACES

from tap_files.errors import FilesError

OF_STREAM: Mapping[str, type] = {
    "files": str, "delimiter": str, "quote": str, "escape": str, "encoding": str, "decimal": str, "header": bool,
    "skip": int, "skip_below": int, "comment": str, "null": list, "leave_out": bool,
}  # fmt: skip
_BACKSLASHED = {"\\t": "\t", "\\x01": "\x01", "\\x1f": "\x1f"}
"""What a delimiter may be said by."""


PROGRAM = Program(
    "tap-files",
    "tap-headwater-files",
    "Replicates CSV, JSON lines and Parquet files below a folder or a prefix of an object store.",
    CAPABILITIES,
    (
        Setting("path", str, "s3://bucket/prefix, or a folder.", required=True),
        Setting(
            "stream_prefix", str, "What the streams' names begin with: names of tables in the lake are unique.", ""
        ),
        Setting(
            "streams",
            dict,
            "What is said of single streams, by name without the prefix, the rest is found out: "
            f"{', '.join(OF_STREAM)} (docs/sources.md).",
            {},
        ),
        Setting("contracts", str, "Folder of contracts, which pin the columns' types."),
        Setting("s3_endpoint", str, "Address of the object store; unset is AWS."),
        Setting("s3_region", str, "Its region; unset is the bucket's."),
        Setting("s3_access_key_id", str, "Key; unset is AWS's own chain."),
        Setting("s3_secret_access_key", str, "The key's secret.", secret=True),
        BATCH_CONFIG,
        REPLACES,
        POSITIONS_FILE,
    ),
)


@dataclass(frozen=True)
class StreamSettings:
    """What is said of a stream's files, None where it is found out of each file.

    files: a pattern of paths below the root, in place of the rule of names. encoding: Python's name. leave_out: whether
    the stream is not read at all. Of CSV: delimiter, quote, escape, header (whether the first line names the columns),
    skip (lines before it), skip_below (lines below it that are no rows, such as one of units), comment (what lines
    before the header begin with that are passed over), decimal (`,` for 1,5), null (texts without quotes that are no
    value, beside the empty one).
    """

    files: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    header: bool | None = None
    skip: int | None = None
    skip_below: int = 0
    comment: str | None = None
    null: tuple[str, ...] = ()
    leave_out: bool = False


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
    for name in ("skip", "skip_below"):
        if given.get(name, 0) < 0:
            raise FilesError(f"{place}.{name}: {given[name]}; it is a number of lines, 0 or more")
    if given.get("skip_below") and given.get("header") is False:
        raise FilesError(
            f"{place}.skip_below: {given['skip_below']} lines below a header that is not there; say `skip`"
        )
    if "encoding" in given:
        try:
            "".encode(given["encoding"])
        except LookupError as error:
            raise FilesError(
                f"{place}.encoding: {given['encoding']!r} is no encoding of Python's, such as utf-8, cp1252, shift_jis"
            ) from error
    checked: dict[str, Any] = {}
    if "null" in given:
        if not all(isinstance(each, str) for each in given["null"]):
            raise FilesError(f"{place}.null: {given['null']!r} is no list of texts, such as ['NULL', '-']")
        checked["null"] = tuple(given["null"])
    if "delimiter" in given:
        delimiter = _BACKSLASHED.get(given["delimiter"], given["delimiter"])
        if not delimiter or set(delimiter) & set("\r\n") or delimiter == given.get("quote", '"'):
            raise FilesError(
                f"{place}.delimiter: {given['delimiter']!r} can't separate values; use such as , ; | or \\t"
            )
        checked["delimiter"] = delimiter
    return checked
