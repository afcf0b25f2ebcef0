"""Who may do what in Trino, query priorities, and which sessions survive a lost worker. Rendered as JSON files."""

from __future__ import annotations

import json
from typing import Any

from components.lake import ADMIN, BUILT, DASHBOARDS, DEVELOPER, LAKE, PIPELINE, RAW, SERVED

# What a node calls itself when it shows a token signed with the shared secret. No login can have this name.
NODE = "<internal>"
# Where developers and branches build: dev_<name>_marts and so on (pipeline_code/transformation/profiles.yml).
DEVELOPMENT = "dev_.*"
# DATA_DEFINITION is Trino's word for USE, SET SESSION and CALL too; tables are kept by the access rules.
DASHBOARD_QUERIES = ("SELECT", "DESCRIBE", "EXPLAIN", "DATA_DEFINITION")
DEVELOPER_QUERIES = (*DASHBOARD_QUERIES, "INSERT", "DELETE", "UPDATE", "MERGE")
OWNER = ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"]


def rules() -> str:
    """Return the coordinator's file-based access rules: the first rule that matches decides, no match is a refusal.

    The pipeline reads raw and owns what dbt builds; dashboards read the marts; developers read all of it and own
    schemas of their own; the administrator may do everything.
    Regular expressions match whole names.
    """
    built = "|".join(BUILT)
    others = f"{PIPELINE}|{DASHBOARDS}|{DEVELOPER}"
    return _json(
        {
            "catalogs": [
                {"user": ADMIN, "allow": "all"},
                {"user": PIPELINE, "catalog": LAKE, "allow": "all"},
                {"user": DASHBOARDS, "catalog": LAKE, "allow": "read-only"},
                {"user": DEVELOPER, "catalog": LAKE, "allow": "all"},
                {"user": others, "catalog": "system", "allow": "read-only"},
                # Without a rule of its own everybody may use the catalog `system`.
                {"catalog": "system", "allow": "none"},
            ],
            "schemas": [
                {"user": ADMIN, "owner": True},
                {"user": PIPELINE, "catalog": LAKE, "schema": built, "owner": True},
                {"user": DEVELOPER, "catalog": LAKE, "schema": DEVELOPMENT, "owner": True},
            ],
            "tables": [
                {"user": ADMIN, "privileges": OWNER},
                # A view runs as its owner: to show raw rows to others, dbt needs to hand on its right to read them.
                {"user": PIPELINE, "catalog": LAKE, "schema": RAW, "privileges": ["SELECT", "GRANT_SELECT"]},
                {"user": PIPELINE, "catalog": LAKE, "schema": built, "privileges": OWNER},
                # Iceberg's own tables ("orders$files") tell the bounds of each column.
                {"user": DASHBOARDS, "catalog": LAKE, "table": r".*\$.*", "privileges": []},
                {"user": DASHBOARDS, "catalog": LAKE, "schema": SERVED, "privileges": ["SELECT"]},
                {"user": DEVELOPER, "catalog": LAKE, "schema": DEVELOPMENT, "privileges": OWNER},
                {"user": DEVELOPER, "catalog": LAKE, "schema": f"{RAW}|{built}", "privileges": ["SELECT"]},
                {"user": others, "catalog": "system", "schema": "jdbc|metadata", "privileges": ["SELECT"]},
            ],
            "functions": [{"user": ADMIN, "privileges": ["EXECUTE", "GRANT_EXECUTE", "OWNERSHIP"]}],
            "procedures": [
                {"user": ADMIN, "privileges": ["EXECUTE", "GRANT_EXECUTE"]},
                # How Superset ends its own queries; the rules of queries keep it from others'.
                {"user": DASHBOARDS, "catalog": "system", "procedure": "kill_query", "privileges": ["EXECUTE"]},
            ],
            # Everyone sees and ends their own queries anyway.
            "queries": [
                {"user": ADMIN, "allow": ["execute", "view", "kill"]},
                {"user": others, "allow": ["execute"]},
            ],
            "impersonation": [],
            "system_information": [{"user": ADMIN, "allow": ["read", "write"]}],
        }
    )


def worker_rules() -> str:
    """Return a worker's access rules: another node, or its own pod, may ask its state and tell it to drain."""
    return _json({"catalogs": [{"allow": "all"}], "system_information": [{"user": NODE, "allow": ["read", "write"]}]})


def resource_groups() -> str:
    """Return who runs at once and who waits, by user.

    Dashboards are many short queries and go first; the pipeline is few long ones and may not take all the memory.
    File-based rules have no word on `ALTER TABLE … EXECUTE`: whoever reads a table could expire its snapshots. So
    dashboards and developers are admitted by kind of query, without that one; what no selector takes is refused.
    """
    group = {"name": "lake", "schedulingPolicy": "weighted", "softMemoryLimit": "100%"}
    groups = [
        _group(DASHBOARDS, weight=6, running=20, queued=200, memory="60%"),
        _group(PIPELINE, weight=3, running=8, queued=200, memory="80%"),
        _group("others", weight=1, running=5, queued=50, memory="40%"),
    ]
    return _json(
        {
            "rootGroups": [{**group, "hardConcurrencyLimit": 30, "maxQueued": 500, "subGroups": groups}],
            "selectors": [
                *({"user": DASHBOARDS, "queryType": kind, "group": f"lake.{DASHBOARDS}"} for kind in DASHBOARD_QUERIES),
                {"user": PIPELINE, "group": f"lake.{PIPELINE}"},
                *({"user": DEVELOPER, "queryType": kind, "group": "lake.others"} for kind in DEVELOPER_QUERIES),
                {"user": f"(?!({DASHBOARDS}|{DEVELOPER})$).*", "group": "lake.others"},
            ],
        }
    )


def session_properties(longest_dashboard_query: str) -> str:
    """Return the properties that sessions start with, by user.

    The pipeline's tasks are repeated when a worker goes away, at the price of writing what they hand on to the object
    store; everybody else's queries pass rows from memory to memory and fail with their worker.
    """
    return _json(
        [
            {"user": PIPELINE, "sessionProperties": {"retry_policy": "TASK"}},
            {"user": DASHBOARDS, "sessionProperties": {"query_max_run_time": longest_dashboard_query}},
        ]
    )


def _group(name: str, *, weight: int, running: int, queued: int, memory: str) -> dict[str, Any]:
    return {
        "name": name,
        "schedulingWeight": weight,
        "hardConcurrencyLimit": running,
        "maxQueued": queued,
        "softMemoryLimit": memory,
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
