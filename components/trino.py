"""Trino: one node, its configuration rendered from the connections and the container's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components import settings
from components.connections import LAKE, Catalog, ObjectStore, Platform, QueryEngine
from components.kubernetes import network, pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, Resources, SecretKey
from components.kubernetes.probes import CommandCheck, HttpCheck, Probes

PORT = 8080
VERSION = "476"
SECRET = "trino-credentials"  # noqa: S105 - the object's name
ETC = "/etc/trino"
DATA = "/var/lib/trino"
CLIENTS = ("dagster", "superset")
# What the JVM takes beside its heap: code cache 256, metaspace 250, threads and buffers 260 MiB, measured at 2 GB heap.
NON_HEAP_MIB = 768
SMALLEST_HEAP_MIB = 1024
READY = (
    f"exec 3<>/dev/tcp/127.0.0.1/{PORT} && printf 'GET /v1/info HTTP/1.0\\r\\n\\r\\n' >&3 && "
    "grep -q '\"starting\":false' <&3"
)


@dataclass(frozen=True)
class TrinoArgs:
    """catalog and store: what the Trino catalog `lake` is made of."""

    platform: Platform
    settings: settings.Trino
    catalog: Catalog
    store: ObjectStore


@dataclass(frozen=True)
class Memory:
    """How the container's memory is shared out, in MiB. query + headroom never exceed the heap."""

    heap: int
    query: int
    headroom: int


class Trino(pulumi.ComponentResource):
    """The query engine; `connection` is what its clients get."""

    def __init__(self, name: str, args: TrinoArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:query:Trino", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("trino", "server", VERSION, args.platform.namespace)
        values = {
            **args.catalog.secret_values(),
            **args.store.secret_values(),
            "shared-secret": args.platform.credentials.get("trino-shared-secret"),
        }
        secret = workloads.secret(SECRET, identity, values, child)
        files = render(args.settings.memory, args.catalog, args.store)
        config = workloads.config_map("trino", identity, {_key(path): text for path, text in files.items()}, child)
        network.allow_ingress(
            "trino",
            identity,
            {"http": PORT},
            [network.Peer(CLIENTS)],
            child,
            exposed=args.platform.exposure.node_port("trino") is not None,
        )
        server = workloads.deployment(
            "trino",
            identity,
            server_container(
                args.platform.image("trino"), args.settings.memory, args.settings.cpu, files, list(values)
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[secret, config, *args.catalog.ready, *args.store.ready]),
            service_account=workloads.service_account("trino", identity, child),
            configuration=pulumi.Output.concat(pods.config_hash(files), "-", workloads.secrets_hash(values)),
            recreate=True,
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[server])
        service = network.service("trino", identity, PORT, after, port_name="http", exposure=args.platform.exposure)
        self.connection = QueryEngine(host="trino", port=PORT, ready=(server, service))
        self.register_outputs({})


def memory(limit: str) -> Memory:
    """Return how a container limit such as 2816Mi or 4Gi is shared out. Raises ValueError when it is too small."""
    mib = settings.mebibytes(limit)
    heap = mib - max(NON_HEAP_MIB, mib // 5)
    if heap < SMALLEST_HEAP_MIB:
        raise ValueError(
            f"trino.memory is {limit}: after {NON_HEAP_MIB}Mi beside the heap that leaves {heap}Mi; "
            f"Trino needs {SMALLEST_HEAP_MIB}Mi, so at least {NON_HEAP_MIB + SMALLEST_HEAP_MIB}Mi in all"
        )
    return Memory(heap=heap, query=heap // 2, headroom=heap // 4)


def render(limit: str, catalog: Catalog, store: ObjectStore) -> dict[str, str]:
    """Return Trino's configuration: path below /etc/trino → text. No secret is in it, only names of variables."""
    share = memory(limit)
    return {
        "config.properties": _properties(
            {
                "coordinator": "true",
                "node-scheduler.include-coordinator": "true",
                "http-server.http.port": str(PORT),
                "discovery.uri": f"http://127.0.0.1:{PORT}",
                "internal-communication.shared-secret": "${ENV:SHARED_SECRET}",
                "query.max-memory": f"{share.query}MB",
                "query.max-memory-per-node": f"{share.query}MB",
                "memory.heap-headroom-per-node": f"{share.headroom}MB",
                # One node of few cores: more threads a task only wait for one another.
                "task.concurrency": "2",
                "query.max-history": "100",
            }
        ),
        "jvm.config": "\n".join(jvm_options(share)) + "\n",
        "node.properties": _properties({"node.environment": "headwater", "node.data-dir": DATA}),
        "log.properties": _properties({"io.trino": "INFO"}),
        f"catalog/{LAKE}.properties": _properties(
            {
                **catalog.trino_properties(),
                "iceberg.max-partitions-per-writer": "1000",
                **store.trino_properties(),
            }
        ),
    }


def jvm_options(share: Memory) -> list[str]:
    """Return the JVM's options, those of Trino's own documentation, for a heap that returns what it does not use."""
    return [
        "-server",
        "-Xms512m",
        f"-Xmx{share.heap}m",
        "-XX:+UseG1GC",
        "-XX:G1HeapRegionSize=16M",
        "-XX:G1PeriodicGCInterval=60000",
        "-XX:+ExplicitGCInvokesConcurrent",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-OmitStackTraceInFastThrow",
        "-XX:ReservedCodeCacheSize=256M",
        "-XX:PerMethodRecompilationCutoff=10000",
        "-XX:PerBytecodeRecompilationCutoff=10000",
        "-Djdk.attach.allowAttachSelf=true",
        "-Djdk.nio.maxCachedBufferSize=2000000",
        "-Dfile.encoding=UTF-8",
        "-XX:+EnableDynamicAgentLoading",
        "--add-modules=jdk.incubator.vector",
        "-Duser.timezone=UTC",
    ]


def server_container(
    image: pulumi.Input[str], limit: str, cpu: str, files: Mapping[str, str], secret_keys: list[str]
) -> Container:
    """Return the server's container. A secret key `access-key` is the variable S3_ACCESS_KEY, and so on."""
    variables = {
        "catalog-token": "CATALOG_TOKEN",
        "catalog-credential": "CATALOG_CREDENTIAL",
        "access-key": "S3_ACCESS_KEY",
        "secret-key": "S3_SECRET_KEY",
        "shared-secret": "SHARED_SECRET",
    }
    return Container(
        name="trino",
        image=image,
        resources=Resources(cpu, "1Gi", limit),
        secret_environment={variables[key]: SecretKey(SECRET, key) for key in secret_keys},
        ports={"http": PORT},
        mounts=[
            pods.config_files(ETC, "trino", {path: _key(path) for path in files}),
            pods.scratch(DATA, "data", "4Gi"),
            pods.scratch("/tmp"),  # noqa: S108 - the pod's own
        ],
        # /v1/info answers 200 from the first second; only its body tells when queries are served.
        probes=Probes(ready=CommandCheck(("bash", "-c", READY)), alive=HttpCheck("/v1/info", "http")),
    )


def _key(path: str) -> str:
    """A ConfigMap's keys have no slash."""
    return path.replace("/", ".")


def _properties(values: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in values.items())
