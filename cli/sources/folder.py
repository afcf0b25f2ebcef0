"""Files as a source: a folder of this machine, copied into the lake's bucket, or a prefix of an object store."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.platform.kube import Kube
from cli.sources import upload
from cli.sources.found import Found
from cli.sources.kinds import Kind, Source
from cli.sources.naming import check_plain, given_name, name_of, quoted
from components.lake import FILES
from localstack.console import Step
from localstack.errors import UsageError

EXAMPLE = "make source add=./exports name=crm"
SETTINGS: Mapping[str, str] = {
    "files": "a pattern of paths", "delimiter": "", "quote": "", "escape": "", "encoding": "", "decimal": ". or ,",
    "header": "true or false", "skip": "lines", "skip_below": "lines", "comment": "",
    "null": "texts with commas between", "leave_out": "true",
}  # fmt: skip
"""What `set=` may say of a stream: as in its Meltano file, see docs/sources.md."""
SET_EXAMPLE = "set='orders.skip=3 orders.delimiter=;'"


@dataclass(frozen=True)
class Folder(Source):
    """Files. `local` is the folder that they come from; None where `path` is theirs. `said`: the text of `set=`."""

    path: str
    local: Path | None = None
    said: str | None = None

    @property
    def place(self) -> str:
        """Return where they are, for people."""
        return self.path if self.local is None else f"{self.local}, copied to {self.path}"

    @property
    def command(self) -> str:
        """Return the command that adds them."""
        said = "" if self.said is None else f" set={shlex.quote(self.said)}"
        return f"make source add='{self.path if self.local is None else self.local}' name={self.name}{said}"

    @property
    def identity(self) -> Mapping[str, object]:
        """The settings that tell this source from another of its name."""
        return {"path": self.path}

    @property
    def description(self) -> str:
        """What its contracts say about it."""
        return f"Files below {self.path}."

    @property
    def request(self) -> Mapping[str, Any]:
        """What the command that looks at them reads."""
        return {"name": self.name, "path": self.path, **({"streams": self.given} if self.given else {})}

    def settings(self, tables: Sequence[Found]) -> list[str]:
        """Return the lines of the settings in the Meltano file, with the dialects that were found out."""
        lines = [f"path: {quoted(self.path)}"]
        found = {table.name: table.settings for table in tables}
        streams = {name: {**found.get(name, {}), **self.given.get(name, {})} for name in {**found, **self.given}}
        if streams:
            lines.append(f"# Of each stream: {', '.join(SETTINGS)}.")
            lines.append("# Settings that are missing are detected for each file.")
            lines.append("streams:")
        for name, settings in streams.items():
            said = [f"{quoted(each)}: {json.dumps(value, ensure_ascii=False)}" for each, value in settings.items()]
            lines.append(f"  {quoted(name)}: {{{', '.join(said)}}}")
        return lines

    def send(self, kube: Kube, step: Step) -> None:
        """Copy what is new in the folder into the lake's bucket."""
        if self.local is not None:
            upload.send(kube, self.local, self.path, step)


def is_address(address: str) -> bool:
    """Whether an address is a prefix of an object store, or a folder that is there, or meant to be one."""
    scheme, separator, _ = address.partition("://")
    if separator:
        return scheme in {"s3", "file"}
    return address.startswith((".", "/", "~")) or Path(address).is_dir()


def given_settings(text: str) -> dict[str, dict[str, Any]]:
    """Return stream → settings of `orders.skip=3 orders.delimiter=;`. Raises UsageError with what is allowed."""
    found: dict[str, dict[str, Any]] = {}
    try:
        parts = shlex.shlex(text, posix=True)
        parts.whitespace_split, parts.commenters, parts.escape = True, "", ""  # a tab is \t
        words = list(parts)
    except ValueError as error:
        raise UsageError(f"set={text!r}: {error}; for example {SET_EXAMPLE}") from error
    for word in words:
        place, equals, value = word.partition("=")
        stream, dot, name = place.rpartition(".")
        if not equals or not dot or not stream:
            raise UsageError(f"set={word!r} is not STREAM.SETTING=VALUE; for example {SET_EXAMPLE}")
        if name not in SETTINGS:
            raise UsageError(f"set={word!r}: {name!r} is no setting; allowed: {', '.join(SETTINGS)}")
        found.setdefault(stream, {})[name] = _value(word, name, value)
    return found


def _value(word: str, name: str, text: str) -> Any:
    if "$" in text:
        raise UsageError(
            f"set={word!r}: a $ would be read as something else by Meltano; write it into the Meltano file"
        )
    match name:
        case "header" | "leave_out":
            if text not in {"true", "false"}:
                raise UsageError(f"set={word!r}: use true or false")
            return text == "true"
        case "skip" | "skip_below":
            if not text.isdecimal():
                raise UsageError(f"set={word!r}: use a number of lines, 0 or more")
            return int(text)
        case "null":
            return text.split(",")
        case _:
            return text


def parse(address: str, name: str | None, schema: str | None, said: str | None, bucket: str) -> Folder:
    """Return the files that an address says, and what `set=` says of them. `bucket`: the lake's. Raises UsageError."""
    given = given_settings(said or "")
    if schema is not None:
        raise UsageError("schema= goes with a database; files have none")
    check_plain("path", address)
    if address.startswith("s3://"):
        parts = urlsplit(address)
        prefix = parts.path.strip("/")
        if not parts.netloc or parts.query or "@" in parts.netloc:
            raise UsageError("add=s3://…: use s3://bucket/prefix; credentials are ingestion's own")
        called = prefix.rpartition("/")[2] or parts.netloc
        chosen = name_of("prefix", called) if name is None else given_name(name)
        return Folder(chosen, f"s3://{parts.netloc}/{prefix}".rstrip("/"), given=given, said=said)
    local = Path(address.removeprefix("file://")).expanduser().resolve()
    if not local.is_dir():
        found = "is a file, not a folder: name the folder that it is in" if local.exists() else "is not there"
        raise UsageError(f"add={address}: {local} {found}")
    if next((each for each in local.rglob("*") if each.is_file()), None) is None:
        raise UsageError(f"add={address}: {local} is empty: put files there first")
    chosen = name_of("folder", local.name) if name is None else given_name(name)
    return Folder(chosen, f"s3://{bucket}/{FILES}{chosen}", local, given=given, said=said)


KIND = Kind(
    kind="files",
    tap="tap-files",
    looks="headwater-discover-files",
    accepts=is_address,
    parse=parse,
    place_of=lambda config: str(config["path"]),
    example=EXAMPLE,
    schemes=("s3",),
    keeps=("PYICEBERG_CATALOG__LAKE__S3__",),
)
