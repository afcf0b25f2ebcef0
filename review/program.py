"""Runs the program of a stack without a cloud: what it would register, read off Pulumi's mocks."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import yaml
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from pulumi.runtime import mocks, sync_await

from review.resources import Resource, without_secrets
from review.stack_files import stack_files

CHECKOUT = Path(__file__).resolve().parents[1]
# Any secret will do, in place of those that only Pulumi can read: nothing that is made of it leaves this process.
_SECRET = "0" * 64
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
                    # Not Pulumi's own reader: it makes a secret of the whole list in which one value is secret.
                    inputs=without_secrets(MessageToDict(request.object)),
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
    plain = {key: value for key, value in _values(stack, checkout).items() if not _is_secret(value)}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in plain.items()}


def _values(stack: str, checkout: Path) -> dict[str, Any]:
    known = stack_files(checkout)
    if stack not in known:
        raise ProgramError(f"s={stack!r}: there is no Pulumi.{stack}.yaml; stacks: {', '.join(known)}")
    return dict((yaml.safe_load(known[stack].read_text()) or {}).get("config", {}))


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and "secure" in value


def run(stack: str, checkout: Path = CHECKOUT) -> list[Resource]:
    """Return the resources that a stack's program registers. Nothing is called, built or changed.

    Raises ProgramError for a stack that has no file or whose settings are wrong.
    """
    config = configuration(stack, checkout)
    images = json.loads(config.get("headwater:images", "{}"))
    if images.get("builder", "auto") == "auto":
        # Which builder this machine has is of no matter here.
        config["headwater:images"] = json.dumps({**images, "builder": "buildah"})
    secrets = [key for key, value in _values(stack, checkout).items() if _is_secret(value)]
    secrets = sorted({*secrets, "headwater:rootSecret"})
    recorder = _Recorder()
    with _session(recorder, stack, config | dict.fromkeys(secrets, _SECRET), secrets):
        try:
            runpy.run_path(str(checkout / "__main__.py"), run_name="__main__")
            sync_await._sync_await(pulumi.runtime.stack.wait_for_rpcs())
        except pulumi.RunError as error:
            raise ProgramError(f"stack {stack}: {error}") from error
    return recorder.recorded


@contextmanager
def _session(recorder: _Recorder, stack: str, config: Mapping[str, str], secrets: Sequence[str]) -> Iterator[None]:
    """Let Pulumi's SDK talk to the recorder; leave no setting and no variable of this process behind."""
    exported, environment = pulumi.export, os.environ.copy()
    mocks.set_mocks(_Answers(), project="headwater", stack=stack, preview=True, monitor=recorder)
    pulumi.runtime.config.set_all_config(dict(config), list(secrets))
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


def _discard(name: str, value: Any) -> None:
    """Take a stack output: there is no stack to keep it."""
    del name, value
