"""Trino's files, shares of memory, access rules and logins, as pure functions make them."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any

import pulumi
import pytest

from components import settings
from components.connections import BearerToken, Catalog, ObjectStore, S3Credentials
from components.lake import USERS
from components.trino import access, configuration
from components.trino.memory import NON_HEAP_MIB, cluster_query, memory, spill

SIZES = ["1792Mi", "2816Mi", "4Gi", "5000Mi", "8Gi", "16Gi", "64Gi", "500Gi"]
WORKERS = {"minimum": 1, "maximum": 5, "memory": "8Gi"}


@pytest.fixture
def lake() -> configuration.Lake:
    key: pulumi.Output[str] = pulumi.Output.secret("never-in-a-file")
    minio = ObjectStore("lake", "us-east-1", "http://minio:9000", path_style=True, credentials=S3Credentials(key, key))
    return configuration.Lake(Catalog("http://catalog:8181", "s3://lake/warehouse", BearerToken(key)), minio)


def trino(**chosen: Any) -> settings.Trino:
    return settings.parse({"trino": chosen}).trino


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def megabytes(files: dict[str, str], name: str) -> int:
    return int(properties(files["config.properties"])[name].removesuffix("MB"))


@pytest.mark.parametrize("limit", SIZES)
def test_memory_adds_up(limit: str) -> None:
    """Trino refuses to start when queries and headroom exceed the heap; the kernel kills it when the heap fills all."""
    share = memory(limit)
    assert share.query + share.headroom < share.heap
    assert share.heap + NON_HEAP_MIB <= settings.mebibytes(limit)


def test_too_little_memory_is_refused_with_the_least() -> None:
    """A heap of 200 MB starts and then fails each query."""
    with pytest.raises(ValueError, match="at least 1792Mi"):
        memory("1Gi")


@pytest.mark.parametrize(("coordinator", "worker", "workers"), list(product(SIZES[:6:2], SIZES, (1, 7, 100))))
def test_a_cluster_never_promises_what_its_nodes_lack(
    lake: configuration.Lake, coordinator: str, worker: str, workers: int
) -> None:
    """A query admitted by a limit above the sum of the nodes is killed half-way; a task above a node waits for ever."""
    chosen = trino(memory=coordinator, workers={"minimum": 1, "maximum": workers, "memory": worker})
    head, hand = configuration.coordinator(chosen, lake), configuration.worker(chosen, lake, "http://c")
    per_node = megabytes(hand, "query.max-memory-per-node")
    assert megabytes(head, "query.max-memory") == cluster_query(memory(worker), workers) == per_node * workers
    assert 0 < megabytes(head, "fault-tolerant-execution-task-memory") <= per_node
    own = megabytes(head, "query.max-memory-per-node")
    assert 0 < megabytes(head, "fault-tolerant-execution-coordinator-task-memory") <= own
    for files, size in ((head, coordinator), (hand, worker)):
        assert f"-Xmx{memory(size).heap}m" in files["jvm.config"].splitlines()


@pytest.mark.parametrize("volume", ["1Gi", "20Gi", "999Mi", "2000Gi"])
def test_a_spilling_node_stays_within_its_volume(lake: configuration.Lake, volume: str) -> None:
    """A volume that overflows evicts the pod, and every query on it fails instead of one."""
    files = configuration.worker(trino(workers={**WORKERS, "spill": volume}), lake, "http://c")
    room = megabytes(files, "max-spill-per-node")
    assert 0 < megabytes(files, "query-max-spill-per-node") < room == spill(volume) < settings.mebibytes(volume)


def every_mode(lake: configuration.Lake) -> list[dict[str, str]]:
    files = []
    for authentication, workers in product(("none", "password"), ({}, WORKERS)):
        chosen = trino(authentication=authentication, workers=workers)
        if workers:
            files += [configuration.coordinator(chosen, lake), configuration.worker(chosen, lake, "http://c:8080")]
        else:
            files.append(configuration.single_node(chosen, lake))
    return files


def test_every_mode_is_readable_and_whole(lake: configuration.Lake) -> None:
    """A file that another names and nobody renders, or broken JSON, stops Trino in a crash loop."""
    for files in every_mode(lake):
        for path, text in files.items():
            if path.endswith(".json"):
                json.loads(text)
            elif path.endswith(".properties"):
                names = [line.split("=", 1)[0] for line in text.splitlines()]
                assert len(names) == len(set(names)), f"{path} says something twice"
            for named in re.findall(r"/etc/trino/(\S+)", text):
                assert named in files, f"{path} names {named}"


def test_no_mode_puts_a_secret_in_a_file(lake: configuration.Lake) -> None:
    """A ConfigMap is readable by whoever may list the namespace."""
    for files in every_mode(lake):
        for path, text in files.items():
            for name, value in (line.split("=", 1) for line in text.splitlines() if ".properties" in path):
                if re.search(r"(secret|access-key|secret-key|token)$", name) and value != "true":
                    assert re.fullmatch(r"\$\{ENV:[A-Z0-9_]+\}", value), f"{path} shows {name}"


def test_a_workload_identity_needs_no_keys() -> None:
    """Names of keys that no variable holds stop Trino; an endpoint would bypass AWS's own."""
    lake = configuration.Lake(Catalog("https://c", "s3://acme/warehouse"), ObjectStore("acme", "eu-central-1"))
    files = configuration.coordinator(trino(workers=WORKERS), lake)
    for path in ("catalog/lake.properties", "exchange-manager.properties"):
        assert not re.search(r"s3\.endpoint|ENV:", files[path]), path
        assert "s3.region=eu-central-1" in files[path]
    assert "exchange.base-directories=s3://acme/exchange\n" in files["exchange-manager.properties"]


def test_a_login_closes_plain_http(lake: configuration.Lake) -> None:
    """With passwords on one port and user names believed on another, nobody needs a password."""
    chosen = trino(authentication="password", workers=WORKERS)
    single = configuration.single_node(trino(authentication="password"), lake)
    for files in (single, configuration.coordinator(chosen, lake), configuration.worker(chosen, lake, "http://c")):
        config = properties(files["config.properties"])
        assert config["http-server.authentication.allow-insecure-over-http"] == "false"
        assert properties(files["access-control.properties"])["access-control.name"] == "file"
        refusing = "resource-groups.json" in files
        assert refusing is (config["coordinator"] == "true"), "what rules have no word for is refused by the groups"
    assert properties(single["config.properties"])["http-server.authentication.type"] == "PASSWORD"


SCHEMAS = (
    *("raw", "staging", "intermediate", "marts", "snapshots", "scratch", "marts_old"),
    *("dev_ann_marts", "mydev_marts", "dev"),
)
# user, schema → privileges, by hand from docs/trino.md; nothing where a row is missing.
TABLES = {
    **{("admin", schema): set(access.OWNER) for schema in SCHEMAS},
    ("dbt", "raw"): {"SELECT", "GRANT_SELECT"},
    ("dbt", "staging"): set(access.OWNER),
    ("dbt", "intermediate"): set(access.OWNER),
    ("dbt", "marts"): set(access.OWNER),
    ("dbt", "snapshots"): set(access.OWNER),
    ("superset", "marts"): {"SELECT"},
    **{("developer", schema): {"SELECT"} for schema in ("raw", "staging", "intermediate", "marts", "snapshots")},
    ("developer", "dev_ann_marts"): set(access.OWNER),
}


def first(kind: str, **asked: str) -> dict[str, Any]:
    """Return the first rule that matches, as Trino finds it: a regular expression matches the whole name."""
    for rule in json.loads(access.rules())[kind]:
        if all(re.fullmatch(rule.get(name, ".*"), value) for name, value in asked.items()):
            return dict(rule)
    return {}


@pytest.mark.parametrize(("user", "schema"), list(product((*USERS, "ingestion", "guest", "dbt2"), SCHEMAS)))
def test_privileges_are_those_of_the_table(user: str, schema: str) -> None:
    """A regular expression that matches a little more lets a dashboard read raw personal data, or change it."""
    rule = first("tables", user=user, catalog="lake", schema=schema, table="orders")
    assert set(rule.get("privileges", [])) == TABLES.get((user, schema), set())
    owns = first("schemas", user=user, catalog="lake", schema=schema).get("owner", False)
    assert owns == ("OWNERSHIP" in TABLES.get((user, schema), set()))


def test_dashboards_do_not_read_the_bounds_of_columns() -> None:
    """`"dim_customers$files"` tells the least and the greatest address, whatever is hidden of the table."""
    for table in ("dim_customers$files", "daily_sales$partitions"):
        assert not first("tables", user="superset", catalog="lake", schema="marts", table=table)["privileges"]
        assert first("tables", user="dbt", catalog="lake", schema="marts", table=table)["privileges"]


@pytest.mark.parametrize(
    ("user", "lake", "system"),
    [("admin", "all", "all"), ("dbt", "all", "read-only"), ("superset", "read-only", "read-only"),
     ("developer", "all", "read-only"),
     ("guest", "none", "none"), ("ingestion", "none", "none")],
)  # fmt: skip
def test_catalogs_are_closed_to_others(user: str, lake: str, system: str) -> None:
    """`system` is open to everybody without a rule; maintenance of tables asks the catalog's right only."""
    assert first("catalogs", user=user, catalog="lake").get("allow", "none") == lake
    assert first("catalogs", user=user, catalog="system").get("allow", "none") == system


def test_nobody_acts_as_someone_else_and_only_the_administrator_sees_others_queries() -> None:
    """A query's text shows data; whoever may impersonate needs no rights of his own."""
    rules = json.loads(access.rules())
    assert rules["impersonation"] == []
    for user in ("dbt", "superset", "developer"):
        assert first("queries", user=user)["allow"] == ["execute"]
        for kind in ("functions", "system_information"):
            assert not first(kind, user=user), kind
        for catalog, procedure in (("lake", "rollback_to_snapshot"), ("system", "create_empty_partition")):
            assert not first("procedures", user=user, catalog=catalog, procedure=procedure)


def test_a_worker_listens_to_nodes_only() -> None:
    """A user who may write a worker's state can stop workers one by one."""
    (rule,) = json.loads(access.worker_rules())["system_information"]
    assert not [user for user in USERS if re.fullmatch(rule["user"], user)]
    assert re.fullmatch(rule["user"], access.NODE)


def group_of(user: str, kind: str) -> str | None:
    """Return the group that takes a query, as Trino finds it; None is a refusal."""
    for selector in json.loads(access.resource_groups())["selectors"]:
        if re.fullmatch(selector["user"], user) and selector.get("queryType", kind) == kind:
            return str(selector["group"])
    return None


@pytest.mark.parametrize(
    ("user", "kind", "group"),
    [("superset", "SELECT", "lake.superset"), ("superset", "DESCRIBE", "lake.superset"), ("dbt", "SELECT", "lake.dbt"),
     ("dbt", "ALTER_TABLE_EXECUTE", "lake.dbt"), ("admin", "ALTER_TABLE_EXECUTE", "lake.others"),
     ("superset2", "SELECT", "lake.others"), ("superset", "ALTER_TABLE_EXECUTE", None), ("superset", "DELETE", None),
     ("developer", "MERGE", "lake.others"), ("developer", "ALTER_TABLE_EXECUTE", None)],
)  # fmt: skip
def test_who_waits_where(user: str, kind: str, group: str | None) -> None:
    """Reading a table is enough to expire its snapshots, unless the query is refused before access rules are asked."""
    assert group_of(user, kind) == group


def test_groups_exist_and_share() -> None:
    """Trino does not start with a selector of no group; limits that all fit at once would hold nobody back."""
    groups = json.loads(access.resource_groups())
    (root,) = groups["rootGroups"]
    names = {f"{root['name']}.{group['name']}" for group in root["subGroups"]}
    assert {selector["group"] for selector in groups["selectors"]} == names
    assert root["hardConcurrencyLimit"] < sum(group["hardConcurrencyLimit"] for group in root["subGroups"])


def test_only_the_pipeline_survives_a_lost_worker() -> None:
    """Fault tolerance for dashboards would add seconds to each; none for dbt would fail a build with each spot node."""
    starts = {rule["user"]: rule["sessionProperties"] for rule in json.loads(access.session_properties("5m"))}
    assert starts["dbt"]["retry_policy"] == "TASK"
    assert "retry_policy" not in starts["superset"]
    assert starts["superset"]["query_max_run_time"] == "5m"


@pytest.mark.parametrize(
    ("value", "path", "says"),
    [
        ({"workers": {"maximum": 4}}, "headwater:trino.workers", "it must be at least 1"),
        ({"workers": {"minimum": 5, "maximum": 4}}, "headwater:trino.workers", "5 is not allowed. it is above"),
        ({"workers": {**WORKERS, "memory": "1Gi"}}, "headwater:trino.workers.memory: '1Gi'", "1792Mi"),
        ({"workers": {**WORKERS, "spot": True}}, "headwater:trino.workers.spot", "tolerations"),
        ({"workers": {**WORKERS, "tolerations": ["spot=1:Never"]}}, "tolerations.0: 'spot=1:Never'", "spot=true:"),
        ({"workers": {**WORKERS, "drain_seconds": 5}}, "headwater:trino.workers.drain_seconds: 5", "60"),
        ({"authentication": "ldap"}, "headwater:trino.authentication: 'ldap'", "'password'"),
        ({"longest_query": "2 hours"}, "headwater:trino.longest_query: '2 hours'", "90s, 5m or 2h"),
    ],
)
def test_wrong_settings_are_named(value: dict[str, Any], path: str, says: str) -> None:
    """A misspelled taint leaves workers pending, and a wrong range an autoscaler that the cluster refuses."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({"trino": value})
    assert path in str(raised.value)
    assert says in str(raised.value)
