"""Trino's files in /etc/trino, for the single node, the coordinator and the worker. They contain no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components import ports, settings
from components.connections import Catalog, ObjectStore
from components.lake import LAKE
from components.trino import access
from components.trino.memory import Memory, cluster_query, jvm_options, memory, spill

HTTP_PORT, HTTPS_PORT = ports.TRINO_HTTP, ports.TRINO_HTTPS
ETC = "/etc/trino"
DATA = "/var/lib/trino"
SPILL = "/var/spill/trino"
LOGIN = "/run/secrets/trino"
PASSWORDS, KEYSTORE = "password.db", "keystore.pem"
# A draining worker waits this long twice: for the coordinator to see it, and for the last pages to be fetched.
DRAIN_GRACE_SECONDS = 15


@dataclass(frozen=True)
class Lake:
    """What Trino reads and writes: the catalog and its object store."""

    catalog: Catalog
    store: ObjectStore

    def files(self) -> dict[str, str]:
        """Return the catalog's file."""
        lake = {
            **self.catalog.trino_properties(),
            "iceberg.max-partitions-per-writer": "1000",
            **self.store.trino_properties(),
        }
        return {f"catalog/{LAKE}.properties": properties(lake)}


def single_node(chosen: settings.Trino, lake: Lake) -> dict[str, str]:
    """Return the files of the only node of a cluster: path below /etc/trino → text."""
    share = memory(chosen.memory)
    config = {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": str(HTTP_PORT),
        "discovery.uri": f"http://127.0.0.1:{HTTP_PORT}",
        "internal-communication.shared-secret": "${ENV:SHARED_SECRET}",
        "query.max-memory": f"{share.query}MB",
        **_node_memory(share),
        # One node of few cores: more threads a task only wait for one another.
        "task.concurrency": "2",
        "query.max-history": "100",
    }
    # The groups also refuse what the access rules have no word for.
    groups = {} if chosen.authentication == "none" else _resource_groups()
    return {**_node_files(config | _login(chosen), share), **lake.files(), **groups, **_login_files(chosen)}


def coordinator(chosen: settings.Trino, lake: Lake) -> dict[str, str]:
    """Return the files of a coordinator that leaves all work to workers: path below /etc/trino → text."""
    share, worker_share = memory(chosen.memory), memory(chosen.workers.memory)
    config = {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "false",
        "http-server.http.port": str(HTTP_PORT),
        "discovery.uri": f"http://127.0.0.1:{HTTP_PORT}",
        "internal-communication.shared-secret": "${ENV:SHARED_SECRET}",
        "query.max-memory": f"{cluster_query(worker_share, chosen.workers.maximum)}MB",
        **_node_memory(share),
        "fault-tolerant-execution-task-memory": f"{worker_share.task}MB",
        "fault-tolerant-execution-coordinator-task-memory": f"{share.task}MB",
        "query.max-run-time": chosen.longest_query,
        "query.max-history": "100",
        # A query that comes while the first worker starts waits for it.
        "query-manager.required-workers-max-wait": "10m",
        **_spill(chosen),
    }
    sessions = f"{ETC}/session-properties.json"
    return {
        **_node_files(config | _login(chosen), share),
        **lake.files(),
        **exchange(lake.store),
        **_login_files(chosen),
        **_resource_groups(),
        "session-property-config.properties": properties(
            {"session-property-config.configuration-manager": "file", "session-property-manager.config-file": sessions}
        ),
        "session-properties.json": access.session_properties(chosen.longest_dashboard_query),
    }


def worker(chosen: settings.Trino, lake: Lake, coordinator_uri: str) -> dict[str, str]:
    """Return the files of a worker that joins the coordinator at that URI: path below /etc/trino → text."""
    share = memory(chosen.workers.memory)
    config = {
        "coordinator": "false",
        "http-server.http.port": str(HTTP_PORT),
        # Only other nodes talk to a worker, by a token signed with the shared secret; a mere user name is refused.
        "http-server.authentication.allow-insecure-over-http": "false",
        "discovery.uri": coordinator_uri,
        "internal-communication.shared-secret": "${ENV:SHARED_SECRET}",
        **_node_memory(share),
        "shutdown.grace-period": f"{DRAIN_GRACE_SECONDS}s",
        **_spill(chosen),
    }
    return {
        **_node_files(config, share),
        **lake.files(),
        **exchange(lake.store),
        **_rules(access.worker_rules()),
    }


def exchange(store: ObjectStore) -> dict[str, str]:
    """Return the file of the exchange between stages of fault-tolerant queries, on the object store."""
    return {
        "exchange-manager.properties": properties(
            {
                "exchange-manager.name": "filesystem",
                **store.trino_exchange_properties(),
            }
        )
    }


def properties(values: Mapping[str, str]) -> str:
    """Return the text of a Java properties file. The names and values here need no escapes."""
    return "".join(f"{key}={value}\n" for key, value in values.items())


def _node_memory(share: Memory) -> dict[str, str]:
    return {
        "query.max-memory-per-node": f"{share.query}MB",
        "memory.heap-headroom-per-node": f"{share.headroom}MB",
    }


def _spill(chosen: settings.Trino) -> dict[str, str]:
    room = spill(chosen.workers.spill)
    return {
        "spill-enabled": "true",
        "spiller-spill-path": SPILL,
        # The volume shares its node's disk: this share is the disk's, the sizes below are the volume's.
        "spiller-max-used-space-threshold": "0.9",
        "max-spill-per-node": f"{room}MB",
        "query-max-spill-per-node": f"{room // 2}MB",
        "spill-encryption-enabled": "true",
    }


def _node_files(config: Mapping[str, str], share: Memory) -> dict[str, str]:
    return {
        "config.properties": properties(config),
        "jvm.config": "\n".join(jvm_options(share)) + "\n",
        "node.properties": properties({"node.environment": "headwater", "node.data-dir": DATA}),
        "log.properties": properties({"io.trino": "INFO"}),
    }


def _login(chosen: settings.Trino) -> dict[str, str]:
    """Clients log in over HTTPS; plain HTTP stays for the other nodes and for probes, which need no login."""
    if chosen.authentication == "none":
        return {}
    return {
        "http-server.https.enabled": "true",
        "http-server.https.port": str(HTTPS_PORT),
        "http-server.https.keystore.path": f"{LOGIN}/{KEYSTORE}",
        "http-server.authentication.type": "PASSWORD",
        "http-server.authentication.allow-insecure-over-http": "false",
    }


def _login_files(chosen: settings.Trino) -> dict[str, str]:
    if chosen.authentication == "none":
        return {}
    authenticator = {"password-authenticator.name": "file", "file.password-file": f"{LOGIN}/{PASSWORDS}"}
    return {"password-authenticator.properties": properties(authenticator), **_rules(access.rules())}


def _resource_groups() -> dict[str, str]:
    manager = {
        "resource-groups.configuration-manager": "file",
        "resource-groups.config-file": f"{ETC}/resource-groups.json",
    }
    return {"resource-groups.properties": properties(manager), "resource-groups.json": access.resource_groups()}


def _rules(text: str) -> dict[str, str]:
    control = {"access-control.name": "file", "security.config-file": f"{ETC}/rules.json"}
    return {"access-control.properties": properties(control), "rules.json": text}
