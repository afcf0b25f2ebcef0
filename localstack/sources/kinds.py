"""What a source can be. Each kind says how its address is read, how it is looked at, and what its Meltano file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from localstack.errors import UsageError
from localstack.kube import Kube
from localstack.reporting import Step
from localstack.sources.found import Found


class Source(Protocol):
    """A source of the user's own, as `add=` says it."""

    @property
    def name(self) -> str:
        """What it is called in the lake."""

    @property
    def password(self) -> str | None:
        """Its password; None where none was given, or it has none."""

    @property
    def asks(self) -> str | None:
        """Whose password it needs, for people; None where it needs none."""

    @property
    def place(self) -> str:
        """Where it is, for people, without a password."""

    @property
    def command(self) -> str:
        """The command that adds it, without a password."""

    @property
    def identity(self) -> Mapping[str, object]:
        """The settings of its Meltano file that tell it from another source of its name."""

    @property
    def description(self) -> str:
        """What its contracts say about it."""

    @property
    def beside(self) -> Mapping[str, str]:
        """Further files beside its Meltano file: suffix → text."""

    @property
    def given(self) -> Mapping[str, Mapping[str, Any]]:
        """What `set=` says: stream → settings."""

    @property
    def request(self) -> Mapping[str, Any]:
        """What the command that looks at it reads: it goes into a Secret, never into an argument."""

    def settings(self, tables: Sequence[Found]) -> list[str]:
        """Return the lines of its settings in the Meltano file, not indented."""

    def with_password(self, password: str) -> Self:
        """Return the source with its password."""

    def without(self, left: Sequence[str]) -> Self:
        """Return the source without the tables that can't be read as they are: its Meltano file leaves them out."""

    def send(self, kube: Kube, step: Step) -> None:
        """Bring it to where the platform reads it."""


@dataclass(frozen=True)
class Kind:
    """A kind of sources.

    kind: as `_source.yml` of the contracts says it. tap: the plugin that its extractors inherit from. looks: the
    command of the ingestion image that looks at one. keeps: beginnings of the platform's variables which that command
    gets. accepts: whether an address is of this kind. parse: the source of (address, name, schema, set); raises
    UsageError.
    place_of: where the source of a Meltano file's settings is, for people. example: of an address.
    """

    kind: str
    tap: str
    looks: str
    accepts: Callable[[str], bool]
    parse: Callable[[str, str | None, str | None, str | None], Source]
    place_of: Callable[[Mapping[str, Any]], str]
    example: str
    schemes: tuple[str, ...]
    keeps: tuple[str, ...] = ()


def kinds() -> tuple[Kind, ...]:
    """Return all kinds."""
    from localstack.sources import connection, folder

    return connection.KIND, folder.KIND


def parse(address: str, name: str | None, schema: str | None, said: str | None = None) -> tuple[Kind, Source]:
    """Return the source that an address says, and its kind. Raises UsageError, which never repeats a password."""
    for kind in kinds():
        if kind.accepts(address):
            return kind, kind.parse(address, name, schema, said)
    scheme, separator, _ = address.partition("://")
    if separator:
        allowed = ", ".join(each for kind in kinds() for each in kind.schemes)
        raise UsageError(f"add={scheme}://…: no such kind of source; allowed: {allowed}, or a folder")
    raise UsageError(
        "add= takes the address of a PostgreSQL database, a folder that is there, or a prefix of an object store; "
        f"for example: {'; '.join(kind.example for kind in kinds())}"
    )
