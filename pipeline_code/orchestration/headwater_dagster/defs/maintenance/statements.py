"""The statements by which Trino maintains a table, and which of its errors are worth another try."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

SCHEMA = "raw"
CONFLICTS = frozenset({"ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT"})
"""Names of Trino's errors after which a load has won the race for the next snapshot, and nothing is changed."""
ATTEMPTS = 4
TABLES = f"select table_name from information_schema.tables where table_schema = '{SCHEMA}' order by 1"  # noqa: S608


class Retention(dg.Config):
    """How much is kept. Durations are Trino's, and not below its `iceberg.*.min-retention` (7d unless it is changed).

    snapshot_retention: how far back a table can be read or rolled back. orphan_retention: how old a file that no
    snapshot holds has to be; longer than the longest load. small_file: smaller files are merged into larger ones.
    """

    snapshot_retention: str = "7d"
    orphan_retention: str = "7d"
    small_file: str = "64MB"


def statements(table: str, retention: Retention) -> tuple[str, ...]:
    """Return the statements for one table, in their order.

    `optimize` applies delete files as well: after it, a merged table is read as fast as any other. Where a stream
    stands survives the expiry of its snapshot, since the table's properties say it too.
    """
    name = table.replace('"', '""')
    execute = f'alter table {SCHEMA}."{name}" execute'
    return (
        f"{execute} optimize(file_size_threshold => '{retention.small_file}')",
        f"{execute} expire_snapshots(retention_threshold => '{retention.snapshot_retention}')",
        f"{execute} remove_orphan_files(retention_threshold => '{retention.orphan_retention}')",
    )


def is_conflict(error: Exception) -> bool:
    """Whether an error of Trino's client says that another commit was faster."""
    return getattr(error, "error_name", None) in CONFLICTS


def maintain(query: Callable[[str], Any], wait: Callable[[int], None], todo: Sequence[str]) -> int:
    """Run a table's statements, each again after a conflict, `wait(number)` before. Returns how many conflicts it took.

    Raises the error of a statement that does not succeed; those after it are not run.
    """
    conflicts = 0
    for statement in todo:
        for attempt in range(ATTEMPTS):
            try:
                query(statement)
                break
            except Exception as error:
                if not is_conflict(error) or attempt == ATTEMPTS - 1:
                    raise
                conflicts += 1
                wait(attempt)
    return conflicts
