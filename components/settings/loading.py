"""Reads a stack's settings from its configuration and this machine; errors name what is wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pulumi
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from components.secrets import MINIMUM_ROOT_LENGTH
from components.settings import eks, environments, renamed
from components.settings.base import PROJECT, Allowed, WrongField
from components.settings.encrypted import DAGSTER_CLIENT_SECRET, ROOT_SECRET, SECRETS, SUPERSET_CLIENT_SECRET
from components.settings.images import ECR
from components.settings.serving import Serving
from components.settings.stack import Settings, contradictions

ROOT_SECRET_FILE = "HEADWATER_ROOT_SECRET_FILE"  # noqa: S105 - the variable's name
BASE_IMAGES_FILE = "HEADWATER_BASE_IMAGES_FILE"
KUBE_CONTEXT = "HEADWATER_KUBE_CONTEXT"
# Never simply the kubeconfig's current context: a cluster that nobody named must not be changed.
DEFAULT_CONTEXT = "headwater"


def parse(raw: Mapping[str, Any]) -> Settings:
    """Return the checked settings. `raw`: setting → value, objects still as JSON text or already parsed.

    Raises pulumi.RunError that names every wrong setting's path, its value and what is allowed.
    """
    values = {key: _decoded(value) for key, value in raw.items()}
    try:
        return _checked(Settings.model_validate(values))
    except ValidationError as error:
        lines = [_explain(details) for details in error.errors(include_url=False)]
    raise _wrong(lines)


def load(
    config: Mapping[str, Any], environment: Mapping[str, str], stack: str = "dev", *, builds: bool = True
) -> Settings:
    """Return the stack's settings: its configuration, completed by what this machine offers and by the stack's name.

    config: `headwater:<setting>` → value. The environment adds base images (the JSON file that
    HEADWATER_BASE_IMAGES_FILE names), decides what builder `auto` is, and may name the kubeconfig's context.
    builds: whether images are to be built; who only reads the settings needs no builder on this machine.
    """
    prefix = f"{PROJECT}:"
    raw = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    raw = {key: _decoded(value) for key, value in raw.items() if key not in SECRETS}
    images = raw.get("images", {})
    if BASE_IMAGES_FILE in environment and isinstance(images, dict) and _takes_stand_ins(images):
        raw["images"] = {**images, "base_images": _read_base_images(Path(environment[BASE_IMAGES_FILE]))}
    settings = parse(raw)
    built = settings.images
    if built.builder == "auto" and builds:
        # Only Docker logs in to ECR, wherever the program runs.
        builder: Literal["buildah", "docker"] = "docker" if built.registry == ECR else available_builder(environment)
        built = built.model_copy(update={"builder": builder})
    cluster = settings.kubernetes
    if cluster.kind == "kubeconfig" and cluster.context is None:
        cluster = cluster.model_copy(update={"context": environment.get(KUBE_CONTEXT, DEFAULT_CONTEXT)})
    storage, aws, sizes, trino = settings.storage, settings.aws, settings.sizes, settings.trino
    if cluster.kind == "eks":
        sizes, trino = sizes.with_disks(), trino.with_disk()
    name = f"{PROJECT}-{stack}" if aws is None or aws.name is None else aws.name
    if aws is not None:
        # Checked once more: a stack's name may be longer than names in AWS.
        raw_aws = {**raw["aws"], "name": name}
        aws = parse({**raw, "aws": raw_aws}).aws
        if aws is not None and aws.ci is not None:
            _own_environments(stack)
    storage = storage.with_bucket(name, None if aws is None else aws.account)
    completed = {"images": built, "kubernetes": cluster, "aws": aws, "storage": storage, "sizes": sizes, "trino": trino}
    return _checked(settings.model_copy(update=completed))


def from_pulumi() -> Settings:
    """Return the settings of the stack that this program runs for.

    Raises pulumi.RunError as `load` does, and for a cluster whose version EKS is about to support no more: that depends
    on the day, and must stop whoever deploys the stack, not whoever looks at it.
    """
    config = {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    settings = load(config, os.environ, pulumi.get_stack())
    if settings.kubernetes.kind == "eks" and settings.aws is not None:
        version = settings.aws.cluster.version
        why = eks.unsupported(version)
        if why is not None:
            raise _wrong([f"{PROJECT}:aws.cluster.version: {version!r} is not allowed. {why}"])
    return settings


def root_secret(config: pulumi.Config, environment: Mapping[str, str] | None = None) -> pulumi.Output[str]:
    """Return the stack's root secret: `headwater:rootSecret`, or the content of HEADWATER_ROOT_SECRET_FILE.

    Raises pulumi.RunError when there is neither, or it is too short.
    """
    configured = config.get_secret(ROOT_SECRET)
    if configured is not None:
        return configured
    variables = os.environ if environment is None else environment
    file = variables.get(ROOT_SECRET_FILE)
    if file is None:
        raise pulumi.RunError(
            f"the stack has no root secret: `pulumi config set --secret {ROOT_SECRET} $(openssl rand -hex 32)` "
            f"keeps one in its encrypted configuration; on the dev stack the variable {ROOT_SECRET_FILE} may name "
            "a file that holds it instead (`make up` makes it)"
        )
    try:
        text = Path(file).read_text().strip()
    except OSError as error:
        raise pulumi.RunError(f"{ROOT_SECRET_FILE} names {file}, which can't be read: {error.strerror}") from error
    if len(text) < MINIMUM_ROOT_LENGTH:
        raise pulumi.RunError(f"{file} holds {len(text)} characters; a root secret needs {MINIMUM_ROOT_LENGTH}")
    return pulumi.Output.secret(text)


@dataclass(frozen=True)
class ClientSecrets:
    """The secrets of the identity provider's clients."""

    superset: pulumi.Output[str]
    dagster: pulumi.Output[str]


def client_secrets(config: pulumi.Config, serving: Serving) -> ClientSecrets | None:
    """Return the secrets of the clients that a load balancer's login needs; None where there is no load balancer.

    Raises pulumi.RunError when the stack's configuration lacks one, or has it in plain text.
    """
    if serving.kind == "internal":
        return None
    found = {}
    for name in (SUPERSET_CLIENT_SECRET, DAGSTER_CLIENT_SECRET):
        value = config.get_secret(name)
        if value is None or not pulumi.runtime.config.is_config_secret(f"{PROJECT}:{name}"):
            what = "is missing" if value is None else "is in plain text"
            raise pulumi.RunError(
                f"{PROJECT}:{name} {what}: {PROJECT}:serving.oidc needs its client's secret, encrypted: "
                f"`pulumi config set --secret {name}` asks for it"
            )
        found[name] = value
    return ClientSecrets(found[SUPERSET_CLIENT_SECRET], found[DAGSTER_CLIENT_SECRET])


def available_builder(environment: Mapping[str, str]) -> Literal["buildah", "docker"]:
    """Return the builder that this machine has. Raises pulumi.RunError when it has none."""
    socket = environment.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    local = socket.removeprefix("unix://")
    if shutil.which("docker") is not None and (local == socket or Path(local).is_socket()):
        return "docker"
    if shutil.which("buildah") is not None:
        return "buildah"
    raise pulumi.RunError(
        "headwater:images.builder: 'auto' finds neither a Docker daemon nor buildah on this machine; "
        "install one (`apt-get install buildah`), or `make up` does it"
    )


def _checked(settings: Settings) -> Settings:
    lines = [f"{PROJECT}:{path}: {value!r} is not allowed. {why}" for path, value, why in contradictions(settings)]
    if lines:
        raise _wrong(lines)
    return settings


def _own_environments(stack: str) -> None:
    try:
        environments.own(stack)
    except ValueError as error:
        raise _wrong([f"{PROJECT}:aws.ci: the stack's name {stack!r} is not allowed beside it. {error}"]) from error


def _wrong(lines: Iterable[str]) -> pulumi.RunError:
    return pulumi.RunError("wrong settings:\n" + "\n".join(f"  {line}" for line in lines))


def _takes_stand_ins(images: Mapping[str, Any]) -> bool:
    """Whether this machine's base images are wanted: nobody chose others, and the images stay on this machine."""
    return not images.get("base_images") and images.get("registry") != ECR


def _read_base_images(file: Path) -> Any:
    try:
        images = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise pulumi.RunError(f"{BASE_IMAGES_FILE} names {file}, which can't be read as JSON: {error}") from error
    by_tag = sorted(name for name, image in images.items() if "@" not in image)
    if by_tag:
        raise pulumi.RunError(
            f"{BASE_IMAGES_FILE} names {file}, which has no digest of {', '.join(by_tag)}: it is of an older revision. "
            "`make up` writes it anew"
        )
    return images


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _explain(details: Any) -> str:
    path = [str(part) for part in details["loc"]]
    error, value = details.get("ctx", {}).get("error"), details["input"]
    if isinstance(error, WrongField):
        # Of a check of the whole section, which pydantic would show as a whole.
        path, value = [*path, *error.field.split(".")], error.value
    name = f"{PROJECT}:{'.'.join(path)}"
    if details["type"] == "extra_forbidden":
        now = renamed.hint(".".join(path), details["input"])
        way_out = f"allowed here: {', '.join(_names(path[:-1]))}" if now is None else now
        return f"{name}: there is no such setting; {way_out}"
    _, field = _models(path)
    words = None if field is None else _words(field)
    if details["type"] == "missing":
        told = [each for each in (None if field is None else field.description, words) if each is not None]
        return f"{name} is missing" + (f": {' '.join(told)}" if told else "")
    message = details["msg"].removeprefix("Value error, ")
    if isinstance(error, WrongField) and value is None:
        return f"{name} is missing. {message}"
    if details["type"] == "string_type" and isinstance(value, int) and not isinstance(value, bool):
        # Without the type, --path writes digits as a number.
        command = f"pulumi config set --path --type string {'.'.join(path)} {value}"
        message = f"It is a number, and text is wanted: quote it in the stack's file, or `{command}`"
    if words is not None and "pattern" in message:
        message = f"{message} ({words})"
    return f"{name}: {value!r} is not allowed. {message}"


def _words(field: FieldInfo) -> str | None:
    """Return in words what a field's value may be, also within a list or beside None; None where nobody wrote it."""
    parts: list[Any] = [*field.metadata, field.annotation]
    for part in parts:
        if isinstance(part, Allowed):
            return part.words
        parts += getattr(part, "__metadata__", ())
        parts += get_args(part)
    return None


def _models(path: Iterable[str]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Follow a path of field names; return the innermost model passed and the last field's information."""
    model: type[BaseModel] | None = Settings
    field = None
    for part in path:
        if model is None or part not in model.model_fields:
            return None, field
        field = model.model_fields[part]
        # `X | None` is looked through: what may be left out has settings of its own.
        annotations = [field.annotation, *get_args(field.annotation)]
        model = next((each for each in annotations if isinstance(each, type) and issubclass(each, BaseModel)), None)
    return model, field


def _names(path: Iterable[str]) -> list[str]:
    model, _ = _models(path)
    names = [] if model is None else list(model.model_fields)
    return [*names, *SECRETS] if model is Settings else names
