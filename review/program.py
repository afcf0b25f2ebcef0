"""Runs the program of a stack without a cloud: reads from Pulumi's mocks which resources it would register."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict

from review import stack_files
from review.recorder import Registration, record
from review.resources import Resource, without_secrets

CHECKOUT = Path(__file__).resolve().parents[1]
# Any secret will do, in place of those that only Pulumi can read: nothing that is made of it leaves this process.
_SECRET = "0" * 64


class ProgramError(ValueError):
    """The stack's program can't be run; the message says which stack and why."""


def configuration(stack: str, checkout: Path = CHECKOUT) -> dict[str, str]:
    """Return a stack file's settings as Pulumi hands them to the program, without secrets.

    Raises ProgramError when there is no such file, StackFileError when it can't be read.
    """
    plain = {key: value for key, value in _values(stack, checkout).items() if not _is_secret(value)}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in plain.items()}


def _values(stack: str, checkout: Path) -> dict[str, Any]:
    known = stack_files.stack_files(checkout)
    if stack not in known:
        raise ProgramError(f"s={stack!r}: there is no Pulumi.{stack}.yaml; stacks: {', '.join(known)}")
    return stack_files.configuration(known[stack])


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and "secure" in value


def run(stack: str, checkout: Path = CHECKOUT) -> list[Resource]:
    """Return the resources that a stack's program registers. Nothing is called, built or changed.

    Raises ProgramError for a stack that has no file or whose settings are wrong, StackFileError as `configuration`.
    """
    config = configuration(stack, checkout)
    images = json.loads(config.get("headwater:images", "{}"))
    if images.get("builder", "auto") == "auto":
        # Which builder this machine has is of no matter here.
        config["headwater:images"] = json.dumps({**images, "builder": "buildah"})
    secrets = [key for key, value in _values(stack, checkout).items() if _is_secret(value)]
    secrets = sorted({*secrets, "headwater:rootSecret"})
    try:
        registered, _ = record(
            lambda: runpy.run_path(str(checkout / "__main__.py"), run_name="__main__"),
            stack, config | dict.fromkeys(secrets, _SECRET), encrypted=secrets,
        )  # fmt: skip
    except pulumi.RunError as error:
        raise ProgramError(f"stack {stack}: {error}") from error
    return [_resource(each) for each in registered]


def _resource(registration: Registration) -> Resource:
    request = registration.request
    return Resource(
        type=request.type,
        name=request.name,
        # Not Pulumi's own reader: it makes a secret of the whole list in which one value is secret.
        inputs=without_secrets(MessageToDict(request.object)),
        urn=registration.urn,
        identity=registration.identity,
        protect=request.protect,
        provider=request.provider,
        depends={key: list(each.urns) for key, each in request.propertyDependencies.items()},
    )
