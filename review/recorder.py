"""Runs a Pulumi program on mocks and records what it registers: for rules, costs and tests. Decision 0130."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc, sync_await

PROJECT = "headwater"
DIGEST = f"sha256:{'a1' * 32}"
"""What each build comes out as, unless `Answers.digest` says something else."""


@dataclass(frozen=True)
class Registration:
    """A resource that the program has registered.

    request: what Pulumi's engine is told (RegisterResourceRequest), options included. inputs: of the request, as
    Pulumi's SDK reads them, secrets in their wrapping. outputs: the inputs and what the provider adds.
    """

    request: Any
    urn: str
    identity: str | None
    inputs: dict[str, Any]
    outputs: dict[str, Any]


class Answers(mocks.Mocks):
    """Answers as the providers would: ids, ARNs and digests are known, all else is left open."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Return the id and the outputs of a resource."""
        identity, outputs = f"{args.name}-id", dict(args.inputs)
        if args.typ.startswith("aws:"):
            identity, computed = self.of_aws(args.typ, args.name, outputs)
            outputs |= computed
        if args.typ.endswith(":BuildahImage"):
            outputs["reference"] = f"{outputs['host']}/{outputs['repository']}@{self.digest(outputs)}"
        if args.typ == "docker-build:index:Image":
            outputs["digest"] = self.digest(outputs)
        if args.typ == "docker-build:index:Index":
            outputs["ref"] = f"{outputs['tag']}@{self.digest(outputs)}"
        return identity, outputs

    def of_aws(self, kind: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the id of a resource of AWS and the outputs that AWS computes."""
        service = kind.split(":")[1].partition("/")[0]
        computed: dict[str, Any] = {"arn": f"arn:aws:{service}:::{name}", "name": inputs.get("name", name)}
        if kind == "aws:rds/instance:Instance":
            computed["masterUserSecrets"] = [{"secretArn": f"arn:aws:secretsmanager:::{name}"}]
        return f"{name}-id", computed

    def digest(self, inputs: Mapping[str, Any]) -> str:  # noqa: ARG002 - for those who answer by the inputs
        """Return the digest of an image that is built, or of an index that joins images."""
        return DIGEST

    def call(self, args: mocks.MockCallArgs) -> Any:
        """Refuse a look-up: what the program registers follows from the settings alone."""
        raise AssertionError(f"the program calls {args.token}; nothing in it may depend on a look-up")


class _Recorder(mocks.MockMonitor):
    """Keeps every registration with its options, which mocks alone are not told."""

    def __init__(self, answers: mocks.Mocks) -> None:
        super().__init__(answers)
        self.registered: list[Registration] = []

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            known = self.resources[response.urn]
            inputs = dict(rpc.deserialize_properties(request.object))
            self.registered.append(Registration(request, response.urn, known.id, inputs, dict(known.state)))
        return response


def record(
    program: Callable[[], object],
    stack: str,
    config: Mapping[str, str],
    *,
    encrypted: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    answers: Answers | None = None,
    preview: bool = True,
) -> tuple[list[Registration], dict[str, Any]]:
    """Run a program; return what it registers and its stack outputs. Nothing is called, built or changed.

    encrypted: keys of `config` that are secret. variables: of this machine's settings, which the program does not see
    otherwise. preview: False where values are to be known that only an update knows. Raises what the program raises.
    """
    recorder, outputs = _Recorder(Answers() if answers is None else answers), dict[str, Any]()
    mocks.set_mocks(recorder.mocks, project=PROJECT, stack=stack, preview=preview, monitor=recorder)
    pulumi.runtime.config.set_all_config(dict(config), list(encrypted))
    with _own_process(outputs, {} if variables is None else variables):
        program()
        sync_await._sync_await(pulumi.runtime.stack.wait_for_rpcs())
    return recorder.registered, outputs


@contextmanager
def _own_process(outputs: dict[str, Any], variables: Mapping[str, str]) -> Iterator[None]:
    """Take the stack's outputs; leave no setting and no variable of this process behind."""
    exported, environment = pulumi.export, os.environ.copy()
    # The types say that the arguments have no names.
    pulumi.export = outputs.__setitem__  # type: ignore[assignment]
    for name in [each for each in os.environ if each.startswith(("HEADWATER_", "PULUMI_"))]:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        pulumi.export = exported
        os.environ.clear()
        os.environ.update(environment)
        pulumi.runtime.config.set_all_config({}, [])
