"""Runs the program of a stack without a cloud: what it would register, read off Pulumi's mocks."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.output import Unknown
from pulumi.runtime import mocks, rpc, sync_await

from review.resources import UNKNOWN, Resource, without_secrets
from review.stack_files import stack_files

CHECKOUT = Path(__file__).resolve().parents[1]
# Any root secret will do: nothing that is derived from it leaves this process.
_ROOT_SECRET = "0" * 64
_ACCOUNT = "111122223333"
_DIGEST = f"sha256:{'0' * 64}"


class ProgramError(ValueError):
    """The stack's program can't be run; the message says which stack and why."""


class _Answers(mocks.Mocks):
    """Answers as a provider would in a preview: ids, ARNs and digests are known, all else is left open."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        outputs = dict(args.inputs)
        if args.typ.startswith("aws:"):
            outputs.setdefault("arn", f"arn:aws:{args.typ.split(':')[1].split('/')[0]}:::{args.name}")
            outputs.setdefault("name", args.name)
        if args.typ == "aws:rds/instance:Instance":
            outputs["masterUserSecrets"] = [{"secretArn": f"arn:aws:secretsmanager:::{args.name}"}]
        if args.typ.endswith(":BuildahImage"):
            outputs["reference"] = f"{outputs['host']}/{outputs['repository']}@{_DIGEST}"
        if args.typ == "docker-build:index:Image":
            outputs["digest"] = _DIGEST
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        answers: Mapping[str, dict[Any, Any]] = {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": _ACCOUNT},
            "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
        }
        return {**args.args, **answers.get(args.token, {})}, None


class _Recorder(mocks.MockMonitor):
    """Keeps every registration with its options, which mocks alone don't see."""

    def __init__(self) -> None:
        super().__init__(_Answers())
        self.recorded: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            self.recorded.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    inputs=without_secrets(_readable(rpc.deserialize_properties(request.object, keep_unknowns=True))),
                    urn=response.urn,
                    identity=f"{request.name}-id",
                    protect=request.protect,
                    provider=request.provider,
                    depends={key: list(each.urns) for key, each in request.propertyDependencies.items()},
                )
            )
        return response


def configuration(stack: str, checkout: Path = CHECKOUT) -> dict[str, str]:
    """Return a stack file's settings as Pulumi hands them to the program, without secrets.

    Raises ProgramError when there is no such file.
    """
    known = stack_files(checkout)
    if stack not in known:
        raise ProgramError(f"s={stack!r}: there is no Pulumi.{stack}.yaml; stacks: {', '.join(known)}")
    values = (yaml.safe_load(known[stack].read_text()) or {}).get("config", {})
    plain = {key: value for key, value in values.items() if not (isinstance(value, dict) and "secure" in value)}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in plain.items()}


def run(stack: str, checkout: Path = CHECKOUT) -> list[Resource]:
    """Return the resources that a stack's program registers. Nothing is called, built or changed.

    Raises ProgramError for a stack that has no file or whose settings are wrong.
    """
    config = configuration(stack, checkout)
    images = json.loads(config.get("headwater:images", "{}"))
    if images.get("builder", "auto") == "auto":
        # Which builder this machine has is of no matter here.
        config["headwater:images"] = json.dumps({**images, "builder": "buildah"})
    config["headwater:rootSecret"] = _ROOT_SECRET
    recorder = _Recorder()
    with _session(recorder, stack, config):
        try:
            runpy.run_path(str(checkout / "__main__.py"), run_name="__main__")
            sync_await._sync_await(pulumi.runtime.stack.wait_for_rpcs())
        except pulumi.RunError as error:
            raise ProgramError(f"stack {stack}: {error}") from error
    return recorder.recorded


@contextmanager
def _session(recorder: _Recorder, stack: str, config: Mapping[str, str]) -> Iterator[None]:
    """Let Pulumi's SDK talk to the recorder; leave no setting and no variable of this process behind."""
    exported, environment = pulumi.export, os.environ.copy()
    mocks.set_mocks(_Answers(), project="headwater", stack=stack, preview=True, monitor=recorder)
    pulumi.runtime.config.set_all_config(dict(config), ["headwater:rootSecret"])
    pulumi.export = _discard
    for name in [each for each in os.environ if each.startswith(("HEADWATER_", "PULUMI_"))]:
        del os.environ[name]
    try:
        yield
    finally:
        pulumi.export = exported
        os.environ.clear()
        os.environ.update(environment)
        pulumi.runtime.config.set_all_config({}, [])


def _readable(value: Any) -> Any:
    """Return deserialised properties with the text that previews have in place of unknown values."""
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list) else value


def _discard(name: str, value: Any) -> None:
    """Take a stack output: there is no stack to keep it."""
    del name, value
