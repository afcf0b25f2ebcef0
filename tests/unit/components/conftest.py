"""The whole program of a stack, run once on Pulumi mocks; what it registers is what the tests look at."""

from __future__ import annotations

import json
import os
import runpy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks, rpc, sync_await

from tests.unit.components import cloud

ROOT = Path(__file__).resolve().parents[3]
ROOT_SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef"
SECRET_SIGNATURE = rpc._special_sig_key
DIGEST = "sha256:" + "a1" * 32


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


@dataclass(frozen=True)
class Request:
    """What mocks are not told about a resource: its options."""

    urn: str
    parent: str
    after: frozenset[str]
    protect: bool
    retained: bool
    provider: str


class _Requests(threading.local):
    current: Request


_request = _Requests()
_register = mocks.MockMonitor.RegisterResource


def _remember(monitor: mocks.MockMonitor, request: Any) -> Any:
    """Register the resource, with its options where the recorder finds them: both run on one thread."""
    _request.current = Request(
        monitor.make_urn(request.parent, request.type, request.name),
        request.parent,
        frozenset(request.dependencies),
        request.protect,
        request.retainOnDelete,
        request.provider,
    )
    return _register(monitor, request)


class Recorder(pulumi.runtime.Mocks):
    """Gives every resource what its cloud would give it, and keeps what it was registered with."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        outputs = dict(args.inputs)
        identifier = f"{args.name}-id"
        if args.typ.endswith(":BuildahImage"):
            outputs["reference"] = f"{outputs['host']}/{outputs['repository']}@{DIGEST}"
        if args.typ == "docker-build:index:Image":
            outputs["digest"] = DIGEST
        if args.typ == "docker-build:index:Index":
            outputs["ref"] = f"{outputs['tag']}@{DIGEST}"
        if args.typ == "docker:index/registryImage:RegistryImage":
            outputs["sha256Digest"] = DIGEST
        if args.typ.startswith("aws:"):
            identifier, computed = cloud.computed(args.typ, args.name, plain(outputs))
            outputs |= computed
        request = _request.current
        self.resources.append(
            Resource(
                args.typ,
                args.name,
                dict(args.inputs),
                {**outputs, "id": identifier},
                urn=request.urn,
                parent=request.parent,
                after=request.after,
                protect=request.protect,
                retained=request.retained,
                provider=request.provider,
            )
        )
        return identifier, outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the program calls {args.token}; nothing in it may depend on a look-up")


def stack_config(name: str = "dev") -> dict[str, str]:
    """Return the committed stack file's settings, as Pulumi hands them to the program."""
    values = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def run_program(
    config: dict[str, str], stack: str = "dev", secrets: Mapping[str, str] = MappingProxyType({})
) -> tuple[list[Resource], dict[str, Any]]:
    """Run `__main__.py` on mocks; return its resources and stack outputs. secrets: what is encrypted in the config."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="headwater", stack=stack, preview=False)
    encrypted = {"headwater:rootSecret": ROOT_SECRET, **secrets}
    pulumi.runtime.config.set_all_config({**config, **encrypted}, list(encrypted))
    exported: dict[str, Any] = {}
    original, pulumi.export = pulumi.export, exported.__setitem__
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mocks.MockMonitor, "RegisterResource", _remember)
            patch.setattr(os, "environ", {**os.environ, "HEADWATER_KUBE_CONTEXT": "headwater"})
            runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
            sync_await._sync_await(pulumi.runtime.stack.wait_for_rpcs())
    finally:
        pulumi.export = original
        pulumi.runtime.config.set_all_config({}, [])
    return recorder.resources, exported


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
