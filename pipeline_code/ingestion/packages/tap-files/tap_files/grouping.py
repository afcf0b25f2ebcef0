"""Which files belong together: a stream is a folder at the first level, or files with the same name at the top level.

`orders/2026-11-01.csv` and `orders/2026/11/02.csv.gz` are stream `orders`; so are `orders.csv`,
`orders-2026-11-01.csv.gz` and `orders_part-0003.parquet` at the top: a number or a date is not part of the name.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Mapping

from headwater_contracts import table_name

from tap_files import partitions
from tap_files.store import File

COMPRESSED = ("gz", "gzip", "zst", "zstd")
TABULAR = ("csv", "tsv", "tab", "psv", "txt")
JSON = ("json", "jsonl", "ndjson")
PARQUET = ("parquet", "pq")
EXTENSIONS = frozenset({*TABULAR, *JSON, *PARQUET})
UNNAMED = "files"
"""Stream of files whose names are dates or numbers alone."""

_COUNTED = re.compile(
    r"(?:[-_. ]*(?:part|chunk|batch)?[-_. ]*(?:\d{4}-?\d{2}-?\d{2}(?:[T_-]?\d{2}[-_:]?\d{2}(?:[-_:]?\d{2})?Z?)?"
    r"|\d{4}[-_]\d{2}|(?<=[-_. ])\d+|(?<=part)\d+|^\d+))+$",
    re.IGNORECASE,
)


def extension(name: str) -> str:
    """Return a file's extension in small letters, without that of a compression; empty without one."""
    parts = name.rpartition("/")[2].lower().split(".")
    if len(parts) > 2 and parts[-1] in COMPRESSED:
        parts.pop()
    return parts[-1] if len(parts) > 1 else ""


def stem(name: str) -> str:
    """Return a file's name without folder, extensions, date and number."""
    base = name.rpartition("/")[2]
    for known in (COMPRESSED, tuple(EXTENSIONS)):
        head, dot, last = base.rpartition(".")
        if dot and last.lower() in known:
            base = head
    return _COUNTED.sub("", base).strip("-_. ")


def is_hidden(name: str) -> bool:
    """Whether a file is nobody's data: `.x`, `_SUCCESS`, and what is in folders called so."""
    return any(part.startswith((".", "_")) for part in name.split("/"))


def is_known(name: str) -> bool:
    """Whether a file may be read: of a known extension, or of none, as engines write them."""
    return extension(name) in EXTENSIONS or extension(name) in {"", *COMPRESSED}


def stream_name(name: str) -> str:
    """Return the stream of a file by the rule above: small letters, digits and `_`."""
    return table_name(_said(name)).strip("_") or UNNAMED


def _said(name: str) -> str:
    """Return what a file's stream is called before the rule of names: by capitals and signs no two differ."""
    folder, _, rest = partitions.without(name).partition("/")
    return re.sub(r"\W+", "_", unicodedata.normalize("NFC", folder if rest else stem(name)).lower()).strip("_")


def grouped(
    files: Iterable[File], patterns: Mapping[str, str]
) -> tuple[dict[str, list[File]], list[File], dict[str, list[str]]]:
    """Return stream → its files, by name; the files that no stream takes, of formats that are not read; and stream →
    names of which it leaves the files out: the stream is that of the name which was there first.

    `patterns` are the user's own: stream → pattern of paths below the root (`*` also goes over `/`). `files` come the
    oldest first.
    """
    streams: dict[str, list[File]] = {}
    lost: dict[str, dict[str, str]] = {}
    left = []
    said: dict[str, str] = {}
    for file in files:
        chosen = next((stream for stream, each in patterns.items() if fnmatch.fnmatchcase(file.name, each)), None)
        if chosen is None and is_hidden(file.name):
            continue
        if chosen is None and not is_known(file.name):
            left.append(file)
            continue
        if chosen is None:
            chosen = stream_name(file.name)
            if (first := said.setdefault(chosen, _said(file.name))) != (other := _said(file.name)):
                told = f"files of {other!r}, such as {file.name}, are left out: they would be the stream of {first!r}"
                lost.setdefault(chosen, {}).setdefault(other, told)
                continue
        streams.setdefault(chosen, []).append(file)
    return dict(sorted(streams.items())), left, {name: list(told.values()) for name, told in lost.items()}
