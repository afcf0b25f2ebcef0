"""dbt as a developer runs it: the project of this checkout, against the running Trino, in schemas of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .endpoints import Endpoints
from .test_data import rows

PROJECT = Path(__file__).resolve().parents[2] / "pipeline_code" / "transformation"
LAYERS = ("staging", "intermediate", "marts", "snapshots")


@dataclass(frozen=True)
class DbtProject:
    """dbt of an environment, as developer `name`, who reads the schema `raw`; artifacts go below `folder`."""

    python: Path
    endpoints: Endpoints
    name: str
    raw: str
    folder: Path
    login: Mapping[str, str]
    """Variables of the developer's login to Trino."""

    def schema(self, layer: str) -> str:
        """Return where a layer is built."""
        return f"dev_{self.name}_{layer}"

    def run(self, *words: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run dbt and return what it said; nothing is raised where it fails."""
        # REQUESTS_CA_BUNDLE would count in place of TRINO_CA.
        foreign = ("DBT_", "TRINO_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        environment = {
            **inherited,
            "TRINO_HOST": self.endpoints.trino_host,
            "TRINO_PORT": str(self.endpoints.trino_port),
            **self.login,
            "HEADWATER_DEVELOPER": self.name,
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            **(variables or {}),
        }
        command = [
            str(self.python.with_name("dbt")),
            "--no-use-colors",
            *words,
            "--vars",
            f"{{raw_schema: {self.raw}}}",
        ]
        return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)

    def build(self, *words: str) -> None:
        """Run dbt; its log is the message where it fails."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def contents(trino: Any, schema: str) -> dict[str, list[str]]:
    """Return the tables of a schema with their columns; none where the schema is not there.

    A layer that no model is in (`snapshots`, at first) has no schema, and Trino fails when it is asked for columns of
    a namespace that the catalog does not know.
    """
    found: dict[str, list[str]] = {}
    if not rows(trino, f"select 1 from information_schema.schemata where schema_name = '{schema}'"):
        return found
    for table, column in rows(
        trino,
        "select c.table_name, c.column_name from information_schema.columns c join information_schema.tables t"
        " on c.table_schema = t.table_schema and c.table_name = t.table_name"
        f" where t.table_schema = '{schema}' and t.table_type = 'BASE TABLE' order by 1, c.ordinal_position",
    ):
        found.setdefault(table, []).append(column)
    return found


def differences(trino: Any, one: str, other: str, columns: list[str]) -> list[tuple[Any, ...]]:
    """Return rows, with how often they are in `one` more than in `other`; none where both hold the same."""
    names = ", ".join(f'"{name}"' for name in columns)
    return rows(
        trino,
        f"select {names}, sum(occurrence) from (select {names}, 1 as occurrence from {one} union all"
        f" select {names}, -1 from {other}) group by {names} having sum(occurrence) <> 0 limit 5",
    )


def drop_schemas(trino: Any, prefix: str) -> None:
    """Drop all schemas that begin with the prefix, and what is in them."""
    found = rows(trino, "select schema_name from information_schema.schemata")
    for schema in [name for (name,) in found if name.startswith(prefix)]:
        for name, kind in rows(
            trino, f"select table_name, table_type from information_schema.tables where table_schema = '{schema}'"
        ):
            quoted = name.replace('"', '""')
            rows(trino, f'drop {"view" if kind == "VIEW" else "table"} {schema}."{quoted}"')
        rows(trino, f"drop schema {schema}")


def chunks(statements: Iterator[str], trino: Any) -> None:
    """Run statements one by one."""
    for statement in statements:
        rows(trino, statement)
