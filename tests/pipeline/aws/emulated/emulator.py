"""Applies a program's registered AWS resources to moto through boto3, in the order of their dependencies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.validate import ParamValidator

from tests.unit.components.conftest import Resource, plain

# What only exists as a reference between resources: an identifier that the recorder made up.
MADE_UP = re.compile(r"\b(?:vpc|subnet|sg|rtb|igw|nat|eipalloc|vpce|sgr)-[0-9a-f]{17}\b")


@dataclass
class Emulator:
    """Clients of one region, and what each made-up value of the mocks is on moto.

    endpoint: where moto answers as a server of its own; None within `mock_aws`.
    """

    region: str
    endpoint: str | None = None
    known: dict[str, str] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    validated: list[str] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
            self.clients[service] = boto3.client(service, region_name=self.region, endpoint_url=self.endpoint, **keys)
        return self.clients[service]

    def real(self, value: Any) -> Any:
        """Return the value with everything made up replaced by what moto made."""
        if isinstance(value, dict):
            return {key: self.real(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.real(item) for item in value]
        if not isinstance(value, str):
            return value
        for made_up in sorted(self.known, key=len, reverse=True):
            value = value.replace(made_up, self.known[made_up])
        unknown = [found for found in MADE_UP.findall(value) if found not in self.known.values()]
        assert not unknown, f"{value} names {unknown}, which no resource before it is"
        return value

    def apply(self, resource: Resource) -> None:
        """Create one resource; a type that nobody has written down is an error."""
        inputs = self.real(plain(resource.inputs))
        kind = resource.type.removeprefix("aws:").replace("/", ".").split(":")[0] + ":" + resource.kind
        made = HANDLERS[resource.kind](self, inputs)
        self.applied.append(kind)
        self.known |= {str(resource.outputs[key]): str(value) for key, value in made.items()}

    def validate(self, service: str, operation: str, **parameters: Any) -> None:
        """Check the parameters of a call that moto does not have against AWS's own description of it."""
        shape = self.client(service).meta.service_model.operation_model(operation).input_shape
        report = ParamValidator().validate(parameters, shape)
        assert not report.has_errors(), report.generate_report()
        self.validated.append(operation)


def in_order(resources: Iterable[Resource]) -> Iterator[Resource]:
    """Yield resources after everything they depend on, a component's children before what waits for it."""
    waiting = {resource.urn: resource for resource in resources}
    done: set[str] = set()
    while waiting:
        ready = [each for each in waiting.values() if not each.after & waiting.keys()]
        assert ready, f"a circle of dependencies: {sorted(each.name for each in waiting.values())}"
        for resource in ready:
            del waiting[resource.urn]
            done.add(resource.urn)
            yield resource


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specification(kind: str, inputs: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tag_list(inputs["tags"])}]


Made = dict[str, Any]
Handler = Callable[[Emulator, dict[str, Any]], Made]
HANDLERS: dict[str, Handler] = {}
"""What makes a resource of a type, given its inputs; the modules beside this one add theirs."""
