"""Settings of the roles that the platform stands on: storage, catalog, database, cluster, images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.settings.base import AbsolutePath, DnsLabel, Model, NodePort, Quantity, Url

BaseImage = Literal["PYTHON_IMAGE", "JAVA_IMAGE", "DEBIAN_IMAGE", "GO_IMAGE"]
Platform = Literal["linux/amd64", "linux/arm64"]
# In place of a registry's host: Amazon ECR in the stack's account.
ECR = "ecr"


class Storage(Model):
    """The object store: MinIO in the cluster, or Amazon S3.

    bucket: the lake's; None is `lake` on MinIO, `<aws.name>-lake-<account>` on S3 (names are unique world-wide).
    region, size, memory: of MinIO only; S3's region is the stack's.
    """

    kind: Literal["minio", "s3"] = "minio"
    bucket: (
        Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", description="3 to 63 of a-z 0-9 -")] | None
    ) = None
    region: str = "us-east-1"
    size: Quantity = "20Gi"
    memory: Quantity = "1Gi"

    @property
    def lake(self) -> str:
        """The lake's bucket; `load` sets it where the stack's file does not."""
        if self.bucket is None:
            raise ValueError("settings of storage are completed by settings.load, which knows the stack")
        return self.bucket


class OAuth2(Model):
    """Client credentials for a REST catalog: where tokens are made, and for what.

    Identifier and secret of the client: secret headwater:catalogCredential, as `id:secret`.
    """

    server_uri: Url = Field(description="an http(s) URL")
    scope: str | None = None


class SigV4(Model):
    """AWS request signing for a REST catalog. service: the name signed for, `glue` or `s3tables` mostly."""

    service: Literal["glue", "s3tables", "execute-api"] = "glue"


class Catalog(Model):
    """The Iceberg catalog: a REST server in the cluster, the REST catalog at `uri`, or AWS Glue's own API.

    How a REST catalog at `uri` knows its clients: oauth2, sigv4, or a bearer token (secret headwater:catalogToken).
    warehouse: what the catalog calls the lake; None is the path in the bucket. Glue's REST endpoint wants the account's
    number, S3 Tables the table bucket's ARN.
    """

    kind: Literal["rest", "glue"] = "rest"
    uri: Url | None = Field(default=None, description="an http(s) URL")
    warehouse: str | None = None
    oauth2: OAuth2 | None = None
    sigv4: SigV4 | None = None
    memory: Quantity = "640Mi"


# GiB of memory, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
_BURSTABLE_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_GENERAL_GIB = {"large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64, "8xlarge": 128}
_MEMORY_GIB = {"large": 16, "xlarge": 32, "2xlarge": 64, "4xlarge": 128, "8xlarge": 256}


class Database(Model):
    """The platform's PostgreSQL: in the cluster, or Amazon RDS.

    size: of the volume; on RDS it grows by itself up to max_size. memory: in the cluster only.
    instance_class, multi_az, version, max_size, ca_bundle: RDS only. multi_az: a standby in a second zone takes over in
    a minute. ca_bundle: a PEM file with RDS's authorities, relative to the program; clients then verify who answers.
    """

    kind: Literal["in-cluster", "rds"] = "in-cluster"
    size: Quantity = "5Gi"
    memory: Quantity = "512Mi"
    instance_class: Annotated[str, Field(pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$", description="like db.t4g.small")] = (
        "db.t4g.small"
    )
    multi_az: bool = False
    version: Annotated[str, Field(pattern=r"^1[5-9]$", description="a major version, 15 to 19")] = "17"
    max_size: Quantity = "100Gi"
    ca_bundle: str | None = None

    @property
    def most_connections(self) -> int | None:
        """Connections that RDS allows by default, `DBInstanceClassMemory / 9531392`; None for a class not known here.

        The class's whole memory counts here; RDS keeps about a tenth of it to itself.
        """
        _, family, size = self.instance_class.split(".")
        ratio = {"t": _BURSTABLE_GIB, "m": _GENERAL_GIB, "r": _MEMORY_GIB}.get(family[0], {})
        return None if size not in ratio else min(5000, ratio[size] * 2**30 * 9 // 10 // 9531392)


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
    """The cluster: the one of a kubeconfig's context, or Amazon EKS, which headwater:aws.cluster describes.

    context: None is HEADWATER_KUBE_CONTEXT, or `headwater`, the one of `make up`. kubeconfig: a path; None is what
    KUBECONFIG names.
    """

    kind: Literal["kubeconfig", "eks"] = "kubeconfig"
    context: str | None = None
    kubeconfig: str | None = None
    namespace: DnsLabel = "headwater"
    exposure: Exposure = Exposure()


class Images(Model):
    """Who builds the images, on what, for what, and where they go.

    builder: auto takes Docker where its daemon answers, else buildah. registry: a host, or `ecr` for Amazon ECR.
    base_images: build argument → image. platforms: what the nodes are. mirror: copy the base images into the registry
    and build on the copies, for nodes of the build that reach no other registry.
    build_trust: a folder of CA certificates that builds see in place of their own, for networks that re-sign TLS;
    it never ends up in an image.
    """

    builder: Literal["auto", "buildah", "docker"] = "auto"
    registry: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?$", description="host, host:port or ecr")] = (
        "127.0.0.1:5000"
    )
    base_images: dict[BaseImage, str] = Field(default_factory=dict)
    platforms: list[Platform] = Field(default=["linux/amd64"], min_length=1)
    mirror: bool = False
    build_trust: AbsolutePath | None = Field(default=None, description="an absolute path")
