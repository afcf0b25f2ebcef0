"""Describes a database to the command that adds it as a source: `headwater-discover` prints one JSON object.

HEADWATER_SOURCE has the connection as JSON: host, port, database, user, password, sslmode, schema, name, and in
authorities the PEM text of the authorities that may have signed the server's certificate, or `system`. The output is
{"tables": […], "notes": […]} with a contract for each table, or {"error": …} with exit status 1.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headwater_contracts import Column as ContractColumn
from headwater_contracts import Contract, table_name
from headwater_contracts.render import render
from headwater_contracts.types import parse_type

from tap_postgres_arrow import relations
from tap_postgres_arrow.columns import TEMPORAL, Column
from tap_postgres_arrow.engine import SourceError
from tap_postgres_arrow.source import Source
from tap_postgres_arrow.table import Table
from tap_postgres_arrow.trust import SYSTEM

VARIABLE = "HEADWATER_SOURCE"
CONNECT_S = 15
CHANGE_COLUMNS = (
    "updated_at", "modified_at", "last_modified", "last_modified_at", "last_updated", "last_updated_at", "changed_at",
    "date_modified", "date_updated", "update_date", "updated_on", "modified_on", "updated", "modified", "updatedat",
    "modifiedat", "lastmodified", "write_date", "systemmodstamp", "row_updated_at", "dw_updated_at",
)  # fmt: skip
"""Names by which columns usually say when a row changed last, the likeliest first."""


def replication_key(table: Table) -> str | None:
    """Return the column that says when a row changed last; None if none is called so and holds a time."""
    if not table.has_versions:
        return None
    times = {column.name.lower(): column.name for column in table.columns if column.base_type in TEMPORAL - {"date"}}
    return next((times[name] for name in CHANGE_COLUMNS if name in times), None)


def contract_type(column: Column) -> str:
    """Return the type of a column in a contract."""
    schema = column.json_schema()
    digits = schema.get("x-sql-datatype-properties")
    size = f"({digits['precision']},{digits['scale']})" if digits else ""
    return f"{schema['x-sql-datatype']}{size}"


def contract(source: str, table: Table, key: str | None) -> str:
    """Return the text of a table's contract: what it has now, nothing more."""
    columns = {
        column.name: ContractColumn(
            column.name, parse_type(f"{table.relation}.{column.name}", contract_type(column)), not column.nullable
        )
        for column in table.columns
    }
    return render(
        Contract(
            source, table.stream, f"Table {table.relation}.", 1, table.primary_key, replication_key=key, columns=columns
        )
    )


def described(source: str, tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Return what is told of each table. `clash` names the table whose place in the lake it would take."""
    owners: dict[str, str] = {}
    found = []
    for table in tables:
        key = replication_key(table)
        place = table_name(table.stream)
        owner = owners.setdefault(place, table.name)
        found.append(
            {
                "name": table.name,
                "stream": table.stream,
                "table": place,
                "columns": len(table.columns),
                "key": list(table.primary_key),
                "replication_key": key,
                "rows": table.rows,
                "clash": None if owner == table.name else owner,
                "contract": contract(source, table, key),
            }
        )
    return found


def unreachable(host: str, port: int, reason: object) -> str:
    """Return why a server can't be reached, from where this runs."""
    here = host == "localhost"
    with contextlib.suppress(ValueError):
        here = here or ipaddress.ip_address(host).is_loopback
    hint = (
        f"ingestion runs in a pod, and {host} is the pod itself: name the address that this machine has in its network"
        if here
        else "the platform's pods have to reach it: check name, port, firewall and VPN from the cluster"
    )
    return f"{host}:{port} can't be reached from the cluster ({reason}); {hint}"


@contextlib.contextmanager
def authorities(pem: str | None) -> Iterator[dict[str, str]]:
    """Yield the tap's setting for authorities that came as text; their file is there until the end of the block."""
    if pem is None or pem == SYSTEM:
        yield {} if pem is None else {"sslrootcert": SYSTEM}
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        yield {"sslrootcert": file.name}


def discover(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tables of the schema that can be loaded, see `look`."""
    tables: list[dict[str, Any]] = look(config)["tables"]
    return tables


def look(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return {"tables": […], "notes": […]} of the schema; the notes are on what is left out.

    SourceError says what to do when there are no tables, or no way to them.
    """
    host, port = config["host"], int(config["port"])
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as error:
        raise SourceError(unreachable(host, port, error)) from error
    with authorities(config.get("authorities")) as trusted:
        source = Source({**config, **trusted, "port": port, "stream_prefix": f"{config['name']}_"})
        try:
            found = source.require_tables(config["schema"])
            others = relations.others(source.connection, config["schema"])
        finally:
            source.close()
    reasons = {table: table.left_out(table.columns) for table in found}
    tables = [table for table, reason in reasons.items() if reason is None]
    left = [reason for reason in reasons.values() if reason is not None]
    if not tables:
        raise SourceError("; ".join(left))
    notes = [f"{table.relation}: {note}" for table in tables for note in table.notes]
    return {"tables": described(config["name"], tables), "notes": [*left, *notes, *others]}


def main() -> None:
    """Print what was found as one line of JSON."""
    try:
        answer = look(json.loads(os.environ[VARIABLE]))
    except (SourceError, ValueError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer, ensure_ascii=False), flush=True)
    sys.exit(1 if "error" in answer else 0)


if __name__ == "__main__":
    main()
