"""How a stream's rows are written: appended as versions or merged by key, and what becomes of deleted rows."""

from __future__ import annotations

from dataclasses import dataclass

from headwater_contracts import Deletes, Write
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, FloatType, NestedField, TimestamptzType

DELETED_AT = "_sdc_deleted_at"
"""Column in which a source says when a row was deleted; null while it is alive."""


@dataclass(frozen=True)
class WriteMode:
    """`write`: append (each version is a row) or merge (one row a key, the newest).

    `deletes`, of a merge only: keep (a row that is gone from the source stays as it was), soft (it stays, with
    `_sdc_deleted_at` set), hard (it goes). In append a deletion is one more version.
    """

    write: Write = Write.APPEND
    deletes: Deletes = Deletes.KEEP

    @property
    def merges(self) -> bool:
        """Whether rows replace older ones of their key."""
        return self.write is Write.MERGE

    def schema(self, stream: str, wanted: Schema, keys: tuple[str, ...]) -> Schema:
        """Return the schema that the stream's table needs in this mode.

        Raises ValueError for a merge without a key, or with one that Iceberg can't compare exactly (float, double).
        """
        if not self.merges:
            return wanted
        if not keys:
            raise ValueError(f"stream {stream}: write: merge needs a key, and the stream has none")
        inexact = [name for name in keys if isinstance(wanted.find_field(name).field_type, FloatType | DoubleType)]
        if inexact:
            raise ValueError(
                f"stream {stream}: key {', '.join(inexact)} is a floating-point number: no key for a merge"
            )
        if self.deletes is not Deletes.SOFT or any(field.name == DELETED_AT for field in wanted.fields):
            return wanted
        added = NestedField(wanted.highest_field_id + 1, DELETED_AT, TimestamptzType(), required=False)
        return Schema(*wanted.fields, added, identifier_field_ids=wanted.identifier_field_ids)
