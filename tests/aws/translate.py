"""A recorded program as Terraform's JSON, by the provider's own schema: arguments, blocks, references, dependencies.

Pulumi's provider is made of Terraform's; what it renames is undone here. A name that fits nothing is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.aws.recorded import MARK
from tests.unit.components.conftest import Resource, plain

Schema = Mapping[str, Any]
# Pulumi's type → Terraform's, where neither `aws_<service>_<type>` nor `aws_<type>` is meant.
RENAMED = {
    "aws:rds/instance:Instance": "aws_db_instance",
    "aws:rds/parameterGroup:ParameterGroup": "aws_db_parameter_group",
    "aws:rds/subnetGroup:SubnetGroup": "aws_db_subnet_group",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": "aws_iam_openid_connect_provider",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
    "aws:ec2/eip:Eip": "aws_eip",
}
RENAMED_ARGUMENTS = {
    ("aws_cloudwatch_metric_alarm", "name"): "alarm_name",
    ("aws_sns_topic_subscription", "topic"): "topic_arn",
}
# What Pulumi's provider, a major version ahead, has and 5.x has not; left out where the schema lacks it.
NEWER = {
    ("aws_ecr_repository", "imageTagMutabilityExclusionFilters"),
    ("aws_eks_cluster", "deletionProtection"),
}
_MARKER = re.compile(f"{MARK}(?P<type>[^|@]+)\\|(?P<name>[^|@]+)\\|(?P<path>[^@]+){MARK}")
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """Return Terraform's spelling of a name of Pulumi's: vpcZoneId is vpc_zone_id."""
    return _BOUNDARY.sub("_", name).lower()


@dataclass(frozen=True)
class Document:
    """Terraform's JSON of a stack. left_out: `<type>.<argument>` that this version of the provider does not have."""

    resources: Mapping[str, Mapping[str, Mapping[str, Any]]]
    left_out: frozenset[str]

    @property
    def count(self) -> int:
        return sum(map(len, self.resources.values()))


class Translator:
    """Translates the AWS part of a program. schema: resource_schemas of `terraform providers schema -json`."""

    def __init__(self, resources: Iterable[Resource], schema: Schema) -> None:
        self._schema = schema
        self._all = {each.urn: each for each in resources}
        self._aws = {each.urn: each for each in self._all.values() if each.type.startswith("aws:")}
        self._known = {(each.type, each.name): each for each in self._aws.values()}
        self._left_out: set[str] = set()

    def document(self) -> Document:
        """Return everything. Raises ValueError for a type or an argument that the provider does not have."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for resource in self._aws.values():
            kind = self.kind(resource.type)
            arguments = self._block(kind, self._schema[kind]["block"], plain(resource.inputs), kind)
            after = sorted({self.address(each) for each in self._after(resource)})
            own = {**arguments, **({"depends_on": after} if after else {})}
            named = found.setdefault(kind, {})
            if label(resource.name) in named:
                raise ValueError(f"two resources are {kind}.{label(resource.name)}")
            named[label(resource.name)] = own
        return Document(found, frozenset(self._left_out))

    def kind(self, token: str) -> str:
        """Return Terraform's name of a type."""
        service, _, what = token.removeprefix("aws:").partition("/")
        bare = snake(what.partition(":")[0])
        for name in (RENAMED.get(token), f"aws_{service}_{bare}", f"aws_{bare}"):
            if name in self._schema:
                return str(name)
        raise ValueError(f"the provider has no type for {token}")

    def address(self, resource: Resource) -> str:
        """Return how Terraform calls a resource: aws_vpc.network."""
        return f"{self.kind(resource.type)}.{label(resource.name)}"

    def _after(self, resource: Resource) -> Iterator[Resource]:
        """Yield the AWS resources that it waits for, through whatever of another kind lies between."""
        waiting, seen = list(resource.after), set[str]()
        while waiting:
            urn = waiting.pop()
            if urn in seen or urn == resource.urn:
                continue
            seen.add(urn)
            if urn in self._aws:
                yield self._aws[urn]
            elif urn in self._all:
                waiting += self._all[urn].after

    def _block(self, kind: str, schema: Schema, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        attributes, blocks = schema.get("attributes", {}), schema.get("block_types", {})
        found: dict[str, Any] = {}
        for key, value in values.items():
            if value is None or key.startswith("__"):
                continue
            name = self._name(kind, key, {*attributes, *blocks})
            if name is None:
                if (kind, key) not in NEWER:
                    raise ValueError(f"{where} has no argument {key}")
                self._left_out.add(f"{kind}.{key}")
            elif name in blocks:
                inner, many = blocks[name]["block"], value if isinstance(value, list) else [value]
                made = [self._block(kind, inner, each, f"{where}.{name}") for each in many]
                found[name] = made[0] if blocks[name]["nesting_mode"] == "single" else made
            else:
                found[name] = self._attribute(kind, attributes[name].get("type"), value)
        if "aws_ecr_repository.imageTagMutabilityExclusionFilters" in self._left_out and kind == "aws_ecr_repository":
            # The value that goes with the exclusions; only the repository itself has it.
            found |= {"image_tag_mutability": "IMMUTABLE"} if "image_tag_mutability" in found else {}
        return found

    @staticmethod
    def _name(kind: str, key: str, known: set[str]) -> str | None:
        plural = snake(key)
        singular = [plural.removesuffix("s"), plural.removesuffix("es"), re.sub("ies$", "y", plural)]
        names = [RENAMED_ARGUMENTS.get((kind, key)), plural, *singular]
        return next((name for name in names if name in known), None)

    def _attribute(self, kind: str, shape: Any, value: Any) -> Any:
        if isinstance(shape, list) and shape[0] in {"list", "set"} and not isinstance(value, list):
            value = [value]
        if isinstance(shape, list) and isinstance(value, list):
            return [self._attribute(kind, shape[1], each) for each in value]
        if isinstance(shape, list) and shape[0] == "object" and isinstance(value, Mapping):
            return {str(self._name(kind, key, set(shape[1]))): self._text(each) for key, each in value.items()}
        return self._text(value)

    def _text(self, value: Any) -> Any:
        """Return a value with references in place of markers, and nothing else that Terraform would take for one."""
        if isinstance(value, Mapping):
            return {key: self._text(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._text(each) for each in value]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, str):
            return value
        pieces, end = [], 0
        for match in _MARKER.finditer(value):
            pieces += [_escaped(value[end : match.start()]), "${" + self.reference(match) + "}"]
            end = match.end()
        return "".join([*pieces, _escaped(value[end:])])

    def reference(self, match: re.Match[str]) -> str:
        """Return the expression of a marker: aws_eks_cluster.cluster.certificate_authority[0].data."""
        resource = self._known[match["type"], match["name"]]
        kind, path = self.kind(resource.type), match["path"].split(".")
        block = self._schema[kind]["block"]
        first = self._name(kind, path[0], {*block.get("attributes", {}), *block.get("block_types", {})})
        if first is None:
            raise ValueError(f"{kind} has no output {path[0]}")
        text = f"{self.address(resource)}.{first}"
        if len(path) == 1:
            return text
        index = next((each for each in path[1:] if each.isdigit()), "0")
        rest = [snake(each) for each in path[1:] if not each.isdigit()]
        shape = block.get("attributes", {}).get(first, {}).get("type", ["list"])
        if shape[0] == "set":
            # A set has no order: what the program looked an element up by finds it here too.
            looked_up = resource.outputs[path[0]][int(index)]["domainName"]
            return f'[for each in {text} : each.{".".join(rest)} if each.domain_name == "{looked_up}"][0]'
        return f"{text}[{index}].{'.'.join(rest)}"


def label(name: str) -> str:
    """Return a name that Terraform takes for a resource."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _escaped(text: str) -> str:
    return text.replace("${", "$${").replace("%{", "%%{")
