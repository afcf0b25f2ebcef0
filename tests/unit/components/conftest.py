"""The whole program of a stack, run once on Pulumi mocks; what it registers is what the tests look at."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import rpc

from components.settings import eks
from review import recorder
from review.recorder import DIGEST
from tests.unit.components import cloud

ROOT = Path(__file__).resolve().parents[3]
ROOT_SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef"
SECRET_SIGNATURE = rpc._special_sig_key
# Reading back what the registry serves, which `pulumi up` does and a preview does not.
MANIFESTS = "docker:index/getRegistryImageManifests:getRegistryImageManifests"
SERVED = ["amd64", "arm64"]


@dataclass(frozen=True)
class Resource:
    """One registered resource. `inputs` still has secrets in their wrapping; `outputs` is what the cloud would add.

    after: URNs of what it depends on, by reference or by `depends_on`. options: its own, as Pulumi was told.
    """

    type: str
    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    urn: str = ""
    parent: str = ""
    after: frozenset[str] = frozenset()
    protect: bool = False
    retained: bool = False
    provider: str = ""

    @classmethod
    def of(cls, found: recorder.Registration) -> Resource:
        request = found.request
        return cls(
            request.type,
            request.name,
            found.inputs,
            {**found.outputs, "id": found.identity},
            urn=found.urn,
            parent=request.parent,
            after=frozenset(request.dependencies),
            protect=request.protect,
            retained=request.retainOnDelete,
            provider=request.provider,
        )

    @property
    def kind(self) -> str:
        return self.type.rsplit(":", 1)[1]

    @property
    def known_as(self) -> str:
        """The name in the cluster."""
        return str(plain(self.inputs)["metadata"]["name"])


def plain(value: Any) -> Any:
    """Return the value without the wrapping of secrets, as the cluster gets it."""
    if isinstance(value, dict):
        if SECRET_SIGNATURE in value:
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


class Cloud(recorder.Answers):
    """Gives every resource what its cloud would give it."""

    def of_aws(self, kind: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        return cloud.computed(kind, name, plain(inputs))

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        if args.token != MANIFESTS:
            return super().call(args)
        kind = {"os": "linux", "mediaType": "application/vnd.oci.image.manifest.v1+json", "sha256Digest": DIGEST}
        return {**args.args, "manifests": [{**kind, "architecture": each} for each in SERVED]}


def stack_config(name: str = "dev") -> dict[str, str]:
    """Return the committed stack file's settings, as Pulumi hands them to the program."""
    values = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def run_program(
    config: dict[str, str],
    stack: str = "dev",
    secrets: Mapping[str, str] = MappingProxyType({}),
    answers: Cloud | None = None,
    on: date = eks.CHECKED,
) -> tuple[list[Resource], dict[str, Any]]:
    """Run `__main__.py` on mocks; return its resources and stack outputs. secrets: what is encrypted in the config.

    on: the day, by which the cluster's version is supported or not.
    """
    encrypted = {"headwater:rootSecret": ROOT_SECRET, **secrets}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eks, "today", lambda: on)
        registered, exported = recorder.record(
            lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
            stack,
            {**config, **encrypted},
            encrypted=list(encrypted),
            variables={"HEADWATER_KUBE_CONTEXT": "headwater"},
            answers=Cloud() if answers is None else answers,
            preview=False,
        )
    return [Resource.of(each) for each in registered], exported


@pytest.fixture(scope="session")
def program() -> tuple[list[Resource], dict[str, Any]]:
    config = stack_config()
    images = {**json.loads(config["headwater:images"]), "builder": "buildah"}
    return run_program({**config, "headwater:images": json.dumps(images)})


@pytest.fixture(scope="session", params=["staging", "prod"])
def aws_stack(request: pytest.FixtureRequest) -> tuple[str, list[Resource], dict[str, Any]]:
    """Name, resources and outputs of each stack on AWS."""
    return request.param, *aws_program(request.param)


@cache
def aws_program(stack: str) -> tuple[list[Resource], dict[str, Any]]:
    """Run the program of a stack on AWS, once; where the machine chooses the builder, with buildah."""
    config = stack_config(stack)
    images = json.loads(config["headwater:images"])
    if images["builder"] == "auto":
        config["headwater:images"] = json.dumps({**images, "builder": "buildah"})
    return run_program(config, stack)


@pytest.fixture(scope="session")
def resources(program: tuple[list[Resource], dict[str, Any]]) -> list[Resource]:
    return program[0]
