"""Tables of the catalog: created when missing, grown when the source grows."""

from __future__ import annotations

import contextlib

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from target_iceberg.types import widened

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
    keys = table.schema().identifier_field_names()
    relaxed = [
        name
        for name, field in existing.items()
        if field.required and name not in keys and (name not in fields or not fields[name].required)
    ]
    if not (types or added or relaxed):
        return table
    with table.update_schema() as update:
        for field in added:
            update.add_column(field.name, field.field_type, required=False)
        for name, kind in types.items():
            update.update_column(name, field_type=kind)
        for name in relaxed:
            update.make_column_optional(name)
    return table


def file_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema that data files of a table are written with; fields carry their Iceberg ids."""
    arrow = schema_to_pyarrow(schema, include_field_ids=True)
    return pa.schema([field.with_type(_short(field.type)) for field in arrow])


def _short(kind: pa.DataType) -> pa.DataType:
    """Return string for large_string: batches stay far below 2 GiB, and the offsets are half as large."""
    return pa.string() if pa.types.is_large_string(kind) else kind
