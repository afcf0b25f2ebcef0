"""How a stream's rows are written: appended as versions or merged by key; and what happens to deleted rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater_contracts import Deletes, Write
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, FloatType, NestedField, TimestampType, TimestamptzType

DELETED_AT = "_sdc_deleted_at"
"""Column in which a source says when a row was deleted; null while it is alive."""
WAY_OUT = "Rename it in the source, deselect it, or say `write: append` in the contract"
OWN = "x-headwater-own"
"""Of a column in a stream's schema: it is the source's, whatever its name says, and no mark of the tap's."""


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

        Raises ValueError for a merge without a key, or with one that Iceberg can't compare exactly (float, double), or
        whose rows do not say when they were deleted though they have the column for it.
        """
        if not self.merges:
            return wanted
        self._check_deletions(stream, wanted)
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

    def _check_deletions(self, stream: str, wanted: Schema) -> None:
        """Raise ValueError where a column that would say when a row was deleted holds no time."""
        told = next((each.field_type for each in wanted.fields if each.name == DELETED_AT), None)
        if told is not None and not isinstance(told, TimestampType | TimestamptzType):
            raise ValueError(
                f"stream {stream}: column {DELETED_AT} is {told} and no time, and a merge reads in it when a row was "
                f"deleted. {WAY_OUT}"
            )

    def check_own(self, stream: str, properties: Mapping[str, Any]) -> None:
        """Raise ValueError where the source has a column of its own that a merge would take for the tap's mark."""
        if self.merges and properties.get(DELETED_AT, {}).get(OWN):
            raise ValueError(
                f"stream {stream}: the source has a column {DELETED_AT} of its own, and a merge reads in it when a row "
                f"was deleted. {WAY_OUT}"
            )
