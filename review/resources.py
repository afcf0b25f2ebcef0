"""A stack's resources as data, read from a preview's JSON, from mocks or from a policy pack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SECRET = "[secret]"  # noqa: S105 - what Pulumi's own JSON shows in place of a secret
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands in a preview for a value that only the update will know (sdk/go/common/resource/plugin/rpc.go)."""
UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""The same by type: text, truth value, number, list, object."""
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - marks a secret in serialised properties
_HIDDEN_TYPES = ("pulumi:pulumi:Stack", "pulumi:providers:")


@dataclass(frozen=True)
class Resource:
    """One resource of a stack.

    inputs: what the program asked for; secrets are `[secret]`. identity: the provider's id, None before it is made.
    protect: None where the source doesn't tell. provider: `urn::id` of an explicit or default provider.
    depends: property → URNs of the resources that it was made from.
    """

    type: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    urn: str = ""
    identity: str | None = None
    protect: bool | None = None
    provider: str = ""
    depends: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The last part of the type: Bucket of aws:s3/bucket:Bucket."""
        return self.type.rsplit(":", 1)[-1]

    @property
    def label(self) -> str:
        """How people name it: `Bucket lake`."""
        return f"{self.kind} {self.name}"

    def at(self, *path: str) -> Any:
        """Return the input at a path of keys; None where a part of it is missing or not known yet."""
        value: Any = self.inputs
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def refers_to(self, property_name: str, target: Resource, *named_by: str) -> bool:
        """Return whether a property names the target: by its id, by one of its inputs `named_by`, or by dependency."""
        value = self.inputs.get(property_name)
        names = {target.identity, *(target.inputs.get(each) for each in named_by)} - {None, *UNKNOWNS}
        return value in names or (target.urn != "" and target.urn in self.depends.get(property_name, ()))


def without_secrets(value: Any) -> Any:
    """Return a serialised property with `[secret]` in place of each secret."""
    if isinstance(value, Mapping):
        if value.get(_SIGNATURE) == _SECRET_SIGNATURE:
            return SECRET
        return {key: without_secrets(item) for key, item in value.items()}
    return [without_secrets(item) for item in value] if isinstance(value, (list, tuple)) else value


def from_state(state: Mapping[str, Any]) -> Resource:
    """Return the resource of a state as previews and exports have it (apitype.ResourceV3)."""
    urn = str(state["urn"])
    identity = state.get("id")
    return Resource(
        type=str(state["type"]),
        name=urn.rsplit("::", 1)[-1],
        inputs=without_secrets(state.get("inputs", {})),
        urn=urn,
        identity=str(identity) if identity else None,
        protect=bool(state.get("protect", False)),
        provider=str(state.get("provider", "")),
        depends=state.get("propertyDependencies", {}),
    )


def known(value: Any) -> bool:
    """Return whether a value is there and the program, not only the update, knows it."""
    return value is not None and not (isinstance(value, str) and (value in UNKNOWNS or value == SECRET))


def managed(resources: Sequence[Resource]) -> Iterator[Resource]:
    """Yield the resources without the stack itself and its providers."""
    return (each for each in resources if not each.type.startswith(_HIDDEN_TYPES))
