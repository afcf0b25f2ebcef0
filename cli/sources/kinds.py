"""The kinds of sources. Each says how to read its address, how to inspect it, and what its Meltano file contains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from cli.platform.kube import Kube
from cli.sources.found import Found
from localstack.console import Step
from localstack.errors import UsageError


@dataclass(frozen=True)
class Source(ABC):
    """A source of the user's own, as `add=` says it: `name` is what it is called in the lake.

    password: None where none was given, or it has none. given: what `set=` says, stream → settings.
    """

    name: str
    password: str | None = field(default=None, repr=False, kw_only=True)
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)

    @property
    def asks(self) -> str | None:
        """Whose password it needs, for people; None where it needs none."""
        return None

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, for people, without a password."""

    @property
    @abstractmethod
    def command(self) -> str:
        """The command that adds it, without a password."""

    @property
    @abstractmethod
    def identity(self) -> Mapping[str, object]:
        """The settings of its Meltano file that tell it from another source of its name."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What its contracts say about it."""

    @property
    def beside(self) -> Mapping[str, str]:
        """Further files beside its Meltano file: suffix → text."""
        return {}

    @property
    @abstractmethod
    def request(self) -> Mapping[str, Any]:
        """What the command that looks at it reads: it goes into a Secret, never into an argument."""

    @abstractmethod
    def settings(self, tables: Sequence[Found]) -> list[str]:
        """Return the lines of its settings in the Meltano file, not indented."""

    def without(self, left: Sequence[str]) -> Self:
        """Return the source without the tables that can't be read as they are: its Meltano file leaves them out."""
        settings = {each: {**self.given.get(each, {}), "leave_out": True} for each in left}
        return replace(self, given={**self.given, **settings})

    @abstractmethod
    def send(self, kube: Kube, step: Step) -> None:
        """Bring it to where the platform reads it."""


@dataclass(frozen=True)
class Kind:
    """A kind of sources.

    kind: as `_source.yml` of the contracts says it. tap: the plugin that its extractors inherit from. looks: the
    command of the ingestion image that looks at one. keeps: beginnings of the platform's variables which that command
    gets. accepts: whether an address is of this kind. parse: the source of (address, name, schema, set, the lake's
    bucket); raises UsageError.
    place_of: where the source of a Meltano file's settings is, for people. example: of an address.
    """

    kind: str
    tap: str
    looks: str
    accepts: Callable[[str], bool]
    parse: Callable[[str, str | None, str | None, str | None, str], Source]
    place_of: Callable[[Mapping[str, Any]], str]
    example: str
    schemes: tuple[str, ...]
    keeps: tuple[str, ...] = ()


def kinds() -> tuple[Kind, ...]:
    """Return all kinds."""
    from cli.sources import connection, folder

    return connection.KIND, folder.KIND


def parse(
    address: str, name: str | None, schema: str | None, said: str | None = None, *, bucket: str
) -> tuple[Kind, Source]:
    """Return the source that an address says, and its kind. Raises UsageError, which never repeats a password.

    bucket: the lake's, where a folder of this machine is copied to.
    """
    for kind in kinds():
        if kind.accepts(address):
            return kind, kind.parse(address, name, schema, said, bucket)
    scheme, separator, _ = address.partition("://")
    if separator:
        allowed = ", ".join(each for kind in kinds() for each in kind.schemes)
        raise UsageError(f"add={scheme}://…: no such kind of source; allowed: {allowed}, or a folder")
    raise UsageError(
        "add= takes the address of a PostgreSQL database, a folder that is there, or a prefix of an object store; "
        f"for example: {'; '.join(kind.example for kind in kinds())}"
    )
