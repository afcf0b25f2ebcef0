"""Keep Superset from taking Iceberg's `$partitions` metadata for partition columns.

Superset 6.1.0 reads a table's partition columns from Trino's "<table>$partitions". For Hive tables these are the
partition keys; for Iceberg tables they are statistics, and SQL Lab's preview then filters on columns that the table
has not ("Column 'record_count' cannot be resolved"). Fixed upstream by apache/superset#41055, after 6.1.0.
"""

from typing import Any

# Every Iceberg "$partitions" table has the statistics; `partition` and `data` depend on the table.
STATISTICS = frozenset({"record_count", "file_count", "total_size"})
METADATA = STATISTICS | {"partition", "data"}


def is_iceberg_metadata(column_names: list[str]) -> bool:
    """Say whether the columns of a "$partitions" table are Iceberg's statistics rather than partition keys."""
    names = frozenset(column_names)
    return names >= STATISTICS and names <= METADATA


def install() -> None:
    """Make Trino's engine spec drop such an index; calling it again changes nothing."""
    from superset.db_engine_specs.trino import TrinoEngineSpec

    if getattr(TrinoEngineSpec.get_indexes, "drops_iceberg_metadata", False):
        return
    inherited = TrinoEngineSpec.get_indexes.__func__

    def get_indexes(cls: type, database: Any, inspector: Any, table: Any) -> list[dict[str, Any]]:
        indexes = inherited(cls, database, inspector, table)
        return [index for index in indexes if not is_iceberg_metadata(index.get("column_names", []))]

    get_indexes.drops_iceberg_metadata = True  # type: ignore[attr-defined]
    TrinoEngineSpec.get_indexes = classmethod(get_indexes)
