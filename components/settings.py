"""The stack's configuration, read and checked once; nothing else reads `pulumi.Config` or the environment."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pulumi
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from components.secrets import MINIMUM_ROOT_LENGTH

PROJECT = "headwater"
ROOT_SECRET = "rootSecret"  # noqa: S105 - the setting's name
ROOT_SECRET_FILE = "HEADWATER_ROOT_SECRET_FILE"  # noqa: S105 - the variable's name
BASE_IMAGES_FILE = "HEADWATER_BASE_IMAGES_FILE"
KUBE_CONTEXT = "HEADWATER_KUBE_CONTEXT"
# Never simply the kubeconfig's current context: a cluster that nobody named must not be changed.
DEFAULT_CONTEXT = "headwater"
CATALOG_TOKEN = "catalogToken"  # noqa: S105 - the setting's name

Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi)$", description="a size such as 512Mi or 20Gi")]
Cpu = Annotated[str, Field(pattern=r"^([1-9][0-9]*m?)$", description="cores, such as 2 or 250m")]
NodePort = Annotated[int, Field(ge=30000, le=32767)]
DnsLabel = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", description="a DNS label")]
AbsolutePath = Annotated[str, Field(pattern=r"^/")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$")]
BaseImage = Literal["PYTHON_IMAGE", "JAVA_IMAGE", "DEBIAN_IMAGE", "GO_IMAGE"]


TRINO_MINIMUM_MIB = 1792


def mebibytes(quantity: str) -> int:
    """Return the number of MiB in a quantity such as 2816Mi or 4Gi."""
    return int(quantity[:-2]) * (1024 if quantity.endswith("Gi") else 1)


class Model(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Storage(Model):
    """The object store: MinIO in the cluster."""

    kind: Literal["minio"] = "minio"
    bucket: DnsLabel = "lake"
    region: str = "us-east-1"
    size: Quantity = "20Gi"
    memory: Quantity = "1Gi"


class Catalog(Model):
    """The Iceberg REST catalog: one in the cluster, or the one at `uri` (its token: secret headwater:catalogToken)."""

    kind: Literal["rest"] = "rest"
    uri: Url | None = Field(default=None, description="an http(s) URL")
    memory: Quantity = "640Mi"


class Database(Model):
    """The platform's PostgreSQL: in the cluster."""

    kind: Literal["in-cluster"] = "in-cluster"
    size: Quantity = "5Gi"
    memory: Quantity = "512Mi"


class NodePorts(Model):
    """Ports on the node, and so on 127.0.0.1; a service without one stays within the cluster."""

    superset: NodePort | None = None
    dagster: NodePort | None = None
    trino: NodePort | None = None
    shop: NodePort | None = None

    def assigned(self) -> dict[str, int]:
        """Return the services that have a port."""
        return self.model_dump(exclude_none=True)


class Exposure(Model):
    """How pages are reached: through node ports, or only within the cluster."""

    kind: Literal["node_port", "cluster_ip"] = "cluster_ip"
    ports: NodePorts = NodePorts()


class Kubernetes(Model):
    """The cluster. context: of the kubeconfig; None is HEADWATER_KUBE_CONTEXT, or `headwater`, the one of `make up`.

    kubeconfig: a path; None is what KUBECONFIG names.
    """

    context: str | None = None
    kubeconfig: str | None = None
    namespace: DnsLabel = "headwater"
    exposure: Exposure = Exposure()


class Images(Model):
    """Who builds the images, on what, and where they go.

    builder: auto takes Docker where its daemon answers, else buildah. base_images: build argument → image.
    build_trust: a folder of CA certificates that builds see in place of their own, for networks that re-sign TLS;
    it never ends up in an image.
    """

    builder: Literal["auto", "buildah", "docker"] = "auto"
    registry: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?$", description="host or host:port")] = (
        "127.0.0.1:5000"
    )
    base_images: dict[BaseImage, str] = Field(default_factory=dict)
    build_trust: AbsolutePath | None = Field(default=None, description="an absolute path")


Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]*[smh]$", description="a time such as 90s, 5m or 2h")]
Taint = Annotated[str, Field(pattern=r"^[^=:\s]+(=[^=:\s]*)?(:(NoSchedule|PreferNoSchedule|NoExecute))?$")]
Percent = Annotated[int, Field(ge=10, le=95, description="percent")]


class TrinoWorkers(Model):
    """Nodes that work for the coordinator, from `minimum` to `maximum`; without any, the coordinator works itself.

    cpu_target: percent of the workers' requested cores above which one is added. queued_metric: an external metric of
    the cluster (KEDA, Prometheus adapter) that counts queued queries; one worker more for each `queued_per_worker`.
    drain_seconds: how long a worker that must go may finish what it has begun. spill: its disk for what overflows.
    """

    minimum: Annotated[int, Field(ge=0, le=100)] = 0
    maximum: Annotated[int, Field(ge=0, le=100)] = 0
    memory: Quantity = "8Gi"
    cpu: Cpu = "2"
    spill: Quantity = "20Gi"
    cpu_target: Percent = 70
    queued_metric: str | None = None
    queued_per_worker: Annotated[int, Field(ge=1, le=100)] = 4
    drain_seconds: Annotated[int, Field(ge=60, le=21600, description="seconds")] = 600
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Taint, ...] = Field(default=(), description="taints such as spot=true:NoSchedule")

    @model_validator(mode="after")
    def _range(self) -> TrinoWorkers:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if self.maximum > 0 and self.minimum == 0:
            raise ValueError("minimum is 0: the cluster's autoscaler starts from 1, so minimum must be at least 1")
        return self

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: str) -> str:
        return enough_for_trino(value)


class Trino(Model):
    """The query engine. The heap follows from `memory`, the container's limit.

    With workers, memory and cpu are the coordinator's. authentication: password brings HTTPS, a login for each client
    and access rules; none is plain HTTP for whoever can connect. The longest queries end by time, with an error.
    """

    memory: Quantity = "2816Mi"
    cpu: Cpu = "500m"
    workers: TrinoWorkers = TrinoWorkers()
    authentication: Literal["none", "password"] = "none"
    longest_query: Duration = "2h"
    longest_dashboard_query: Duration = "5m"

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: str) -> str:
        return enough_for_trino(value)


def enough_for_trino(value: str) -> str:
    """Return the size of a Trino node. Raises ValueError when Trino can't live in it."""
    if mebibytes(value) < TRINO_MINIMUM_MIB:
        raise ValueError(f"Trino needs {TRINO_MINIMUM_MIB}Mi: a heap of 1Gi and 768Mi beside it")
    return value


class Ingestion(Model):
    """One ingestion run's limits."""

    memory: Quantity = "2Gi"
    cpu: Cpu = "250m"


class Orchestration(Model):
    """Dagster: limits of each of its servers."""

    webserver_memory: Quantity = "768Mi"
    daemon_memory: Quantity = "768Mi"
    code_memory: Quantity = "1Gi"


class Dashboards(Model):
    """Superset: threads that answer requests, and its limit."""

    memory: Quantity = "1280Mi"
    threads: Annotated[int, Field(ge=1, le=64)] = 8


class Example(Model):
    """The example company's shop. scale 1 is a million orders; the same seed and scale give the same rows."""

    enabled: bool = True
    namespace: DnsLabel = "petco"
    scale: Annotated[float, Field(gt=0, le=100)] = 0.1
    seed: Annotated[int, Field(ge=0)] = 7
    rate: Annotated[int, Field(ge=1, le=10000, description="orders a second of the live shop")] = 50
    size: Quantity = "10Gi"


class Settings(Model):
    """Everything that `Pulumi.<stack>.yaml` may say, below `headwater:`. `generations`: rotated secrets' numbers."""

    storage: Storage = Storage()
    catalog: Catalog = Catalog()
    database: Database = Database()
    kubernetes: Kubernetes = Kubernetes()
    images: Images = Images()
    trino: Trino = Trino()
    ingestion: Ingestion = Ingestion()
    orchestration: Orchestration = Orchestration()
    dashboards: Dashboards = Dashboards()
    example: Example = Example()
    generations: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)


def parse(raw: Mapping[str, Any]) -> Settings:
    """Return the checked settings. `raw`: setting → value, objects still as JSON text or already parsed.

    Raises pulumi.RunError that names every wrong setting's path, its value and what is allowed.
    """
    values = {key: _decoded(value) for key, value in raw.items()}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [_explain(details) for details in error.errors(include_url=False)]
    raise pulumi.RunError("wrong settings:\n" + "\n".join(f"  {line}" for line in lines))


def load(config: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the stack's settings: its configuration, completed by what this machine offers.

    config: `headwater:<setting>` → value. The environment adds base images (the JSON file that
    HEADWATER_BASE_IMAGES_FILE names), decides what builder `auto` is, and may name the kubeconfig's context.
    """
    prefix = f"{PROJECT}:"
    secrets = {prefix + ROOT_SECRET, prefix + CATALOG_TOKEN}
    raw = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    settings = parse({key: value for key, value in raw.items() if prefix + key not in secrets})
    images = settings.images
    if not images.base_images and BASE_IMAGES_FILE in environment:
        images = _with_base_images(images, Path(environment[BASE_IMAGES_FILE]))
    if images.builder == "auto":
        images = images.model_copy(update={"builder": available_builder(environment)})
    cluster = settings.kubernetes
    if cluster.context is None:
        cluster = cluster.model_copy(update={"context": environment.get(KUBE_CONTEXT, DEFAULT_CONTEXT)})
    return settings.model_copy(update={"images": images, "kubernetes": cluster})


def from_pulumi() -> Settings:
    """Return the settings of the stack that this program runs for."""
    return load({**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}, os.environ)


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


def _with_base_images(images: Images, file: Path) -> Images:
    try:
        values = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise pulumi.RunError(f"{BASE_IMAGES_FILE} names {file}, which can't be read as JSON: {error}") from error
    return parse({"images": {**images.model_dump(), "base_images": values}}).images


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _explain(details: Any) -> str:
    path = [str(part) for part in details["loc"]]
    name = f"{PROJECT}:{'.'.join(path)}"
    if details["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; allowed here: {', '.join(_allowed(path[:-1]))}"
    message = details["msg"]
    description = _description(path)
    if description is not None and re.search(r"pattern|greater|less", message):
        message = f"{message} ({description})"
    return f"{name}: {details['input']!r} is not allowed. {message}"


def _models(path: Iterable[str]) -> tuple[type[BaseModel] | None, Any]:
    """Follow a path of field names; return the innermost model passed and the last field's information."""
    model: type[BaseModel] | None = Settings
    field = None
    for part in path:
        if model is None or part not in model.model_fields:
            return None, field
        field = model.model_fields[part]
        annotation = field.annotation
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return model, field


def _allowed(path: Iterable[str]) -> list[str]:
    model, _ = _models(path)
    names = [] if model is None else list(model.model_fields)
    return [*names, ROOT_SECRET, CATALOG_TOKEN] if model is Settings else names


def _description(path: Iterable[str]) -> str | None:
    _, field = _models(path)
    return None if field is None else field.description
