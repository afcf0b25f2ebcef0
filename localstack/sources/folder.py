"""Files as a source: a folder of this machine, which is copied into the lake's bucket, or an object store's prefix."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localstack.errors import UsageError
from localstack.kube import Kube
from localstack.reporting import Step
from localstack.sources import upload
from localstack.sources.found import Found
from localstack.sources.kinds import Kind
from localstack.sources.naming import check_plain, given_name, name_of, quoted

EXAMPLE = "make source add=./exports name=crm"


@dataclass(frozen=True)
class Folder:
    """Files, and what they are called here. `local` is the folder that they come from; None where `path` is theirs."""

    name: str
    path: str
    local: Path | None = None
    password: str | None = None
    asks: str | None = None

    @property
    def place(self) -> str:
        """Return where they are, for people."""
        return self.path if self.local is None else f"{self.local}, copied to {self.path}"

    @property
    def command(self) -> str:
        """Return the command that adds them."""
        return f"make source add='{self.path if self.local is None else self.local}' name={self.name}"

    @property
    def identity(self) -> Mapping[str, object]:
        """The settings that tell this source from another of its name."""
        return {"path": self.path}

    @property
    def description(self) -> str:
        """What its contracts say about it."""
        return f"Files below {self.path}."

    @property
    def beside(self) -> Mapping[str, str]:
        """No further files."""
        return {}

    @property
    def request(self) -> Mapping[str, Any]:
        """What the command that looks at them reads."""
        return {"name": self.name, "path": self.path}

    def settings(self, tables: Sequence[Found]) -> list[str]:
        """Return the lines of the settings in the Meltano file, with the dialects that were found out."""
        lines = [f"path: {quoted(self.path)}"]
        if tables:
            lines.append("# Of each stream: files, delimiter, quote, escape, header, skip, decimal, encoding.")
            lines.append("# What is not said is found out of each file.")
            lines.append("streams:")
        for table in tables:
            said = ", ".join(
                f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in table.settings.items()
            )
            lines.append(f"  {quoted(table.name)}: {{{said}}}")
        return lines

    def with_password(self, password: str) -> Folder:  # noqa: ARG002
        """Return the source: it has no password."""
        return self

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


def parse(address: str, name: str | None, schema: str | None) -> Folder:
    """Return the files that an address says. Raises UsageError."""
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
        return Folder(chosen, f"s3://{parts.netloc}/{prefix}".rstrip("/"))
    local = Path(address.removeprefix("file://")).expanduser().resolve()
    if not local.is_dir():
        found = "is a file, not a folder: name the folder that it is in" if local.exists() else "is not there"
        raise UsageError(f"add={address}: {local} {found}")
    if next((each for each in local.rglob("*") if each.is_file()), None) is None:
        raise UsageError(f"add={address}: {local} is empty: put files there first")
    chosen = name_of("folder", local.name) if name is None else given_name(name)
    return Folder(chosen, f"s3://{upload.BUCKET}/{upload.PREFIX}/{chosen}", local)


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
