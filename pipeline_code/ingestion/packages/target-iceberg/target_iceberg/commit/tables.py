"""Tables of the catalog: created when missing, grown when the source grows."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from headwater_contracts import Contract
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from target_iceberg.files import partitioning
from target_iceberg.rows.drift import Plan, plan
from target_iceberg.rows.mode import WriteMode
from target_iceberg.rows.types import widened

TABLE_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "3",
    "write.target-file-size-bytes": str(256 << 20),
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
    "commit.manifest-merge.enabled": "true",
    "commit.retry.num-retries": "10",
}
"""Properties of new tables. Old metadata files are deleted after 50 commits: half a day at one a quarter hour."""


def ensure_table(catalog: Catalog, namespace: str, name: str, schema: Schema) -> Table:
    """Return the table, created or grown so that it holds `schema`.

    New columns are added as optional (older rows lack them), types are widened, columns that the source no longer
    sends, or sends with nulls, become optional. Nothing is dropped or narrowed; ValueError where that would be needed.
    """
    identifier = (namespace, name)
    with contextlib.suppress(NoSuchTableError):
        return grow(catalog.load_table(identifier), schema)
    with contextlib.suppress(NamespaceAlreadyExistsError):
        catalog.create_namespace(namespace)
    try:
        return catalog.create_table(identifier, schema=schema, properties=TABLE_PROPERTIES)
    except TableAlreadyExistsError:  # another load was faster
        return grow(catalog.load_table(identifier), schema)


def grow(table: Table, wanted: Schema) -> Table:
    """Change the schema of `table` so that it holds `wanted`, in one metadata commit or none."""
    full_name = ".".join(table.name())
    fields = {field.name: field for field in wanted.fields}
    existing = {field.name: field for field in table.schema().fields}
    types = {
        name: kind
        for name, field in fields.items()
        if name in existing
        and (kind := widened(full_name, name, existing[name].field_type, field.field_type)) is not None
    }
    added = [field for name, field in fields.items() if name not in existing]
    relaxed = [
        name for name, field in existing.items() if field.required and (name not in fields or not fields[name].required)
    ]
    keys = wanted.identifier_field_names()
    if any(name not in existing or not existing[name].required or name in relaxed for name in keys):
        keys = set()  # rows that are there lack the key
    if not (types or added or relaxed or keys != table.schema().identifier_field_names()):
        return table
    # Paths are tuples: a name may have a dot in it.
    with table.update_schema() as update:
        update.set_identifier_fields(*keys)
        for field in added:
            update.add_column((field.name,), field.field_type, doc=field.doc, required=False)
        for name, kind in types.items():
            update.update_column((name,), field_type=kind)
        for name in relaxed:
            update.make_column_optional((name,))
    return table


def rename(table: Table, renames: Mapping[str, str], comments: Mapping[str, str]) -> Table:
    """Rename columns (old name → new), in one metadata commit; `comments` are those of the columns' new names."""
    with table.update_schema() as update:
        for old, new in renames.items():
            update.rename_column((old,), new)
            update.update_column((old,), doc=comments.get(new, ""))
    return table


def planned_table(
    catalog: Catalog, namespace: str, contract: Contract, schema: Mapping[str, Any], keys: Sequence[str]
) -> Plan:
    """Return how a stream is stored, after giving columns of its table the names that the contract has decided for.

    Nothing else of the table is changed yet. Raises what `plan` raises, and ValueError for a layout or a way of writing
    that the columns can't have.
    """
    table = load_or_none(catalog, namespace, contract.table)
    found = plan(contract, schema, keys, None if table is None else table.schema())
    mode = WriteMode(contract.write, contract.deletes)
    mode.check_own(contract.stream, schema["properties"])
    columns = mode.schema(contract.stream, found.schema, found.keys)
    partitioning.check(contract, columns, table, found.renames)
    if table is not None and found.renames:
        rename(table, found.renames, {field.name: field.doc or "" for field in found.schema.fields})
    return found


def load_or_none(catalog: Catalog, namespace: str, name: str) -> Table | None:
    """Return the table, None if it does not exist."""
    with contextlib.suppress(NoSuchTableError):
        return catalog.load_table((namespace, name))
    return None


def file_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema that data files of a table are written with; fields carry their Iceberg ids."""
    arrow = schema_to_pyarrow(schema, include_field_ids=True)
    return pa.schema([field.with_type(_short(field.type)) for field in arrow])


def _short(kind: pa.DataType) -> pa.DataType:
    """Return string for large_string: batches stay far below 2 GiB, and the offsets are half as large."""
    return pa.string() if pa.types.is_large_string(kind) else kind
