"""What a rule is, and what it reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from review.resources import Resource, known

_VALUE_LENGTH = 80


@dataclass(frozen=True)
class Requirements:
    """What a stack's settings ask of its resources. deletion_protection: `headwater:aws.deletion_protection`.

    tls: false where `headwater:aws.endpoint` names an emulator behind plain HTTP, which TLS-only policies would shut.
    """

    deletion_protection: bool = False
    tls: bool = True


@dataclass(frozen=True)
class Violation:
    """One broken rule: whose, which property, what was found there, and the way out."""

    resource: Resource
    property: str
    found: object
    way_out: str

    def text(self) -> str:
        """Return the violation as one line."""
        return f"{self.resource.label}: {self.property} is {shown(self.found)}; {self.way_out}"


@dataclass(frozen=True)
class ResourceRule:
    """A rule that needs one resource only, so that it can refuse it before it is made."""

    name: str
    description: str
    check: Callable[[Resource], Iterator[Violation]]


@dataclass(frozen=True)
class StackRule:
    """A rule about how the resources of a stack belong together."""

    name: str
    description: str
    check: Callable[[Sequence[Resource], Requirements], Iterator[Violation]]


def shown(value: object) -> str:
    """Return a found value for a message: short, and `missing` where there is none."""
    if value is None:
        return "missing"
    text = json.dumps(value, default=str)
    return text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 1] + "…"


def must_be(resource: Resource, path: str, wanted: object, why: str) -> Iterator[Violation]:
    """Yield a violation when the input at the dotted path is anything else than `wanted`; unknown values pass."""
    found = resource.at(*path.split("."))
    if found != wanted and (found is None or known(found)):
        yield Violation(resource, path, found, f"set it to {json.dumps(wanted)}: {why}")
