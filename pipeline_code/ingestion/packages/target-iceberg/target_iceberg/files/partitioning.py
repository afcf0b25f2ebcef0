"""The layout that a contract gives a table: Iceberg's partition spec and sort order, checked, then made or changed.

Existing files keep the spec that they were written with; readers know the spec of each file.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headwater_contracts import Contract, ContractError, PartitionField, SortField
from headwater_contracts.errors import wrong
from headwater_contracts.parts import TIMES
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.table.sorting import NullOrder, SortDirection
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    VoidTransform,
    YearTransform,
)
from pyiceberg.types import DoubleType, FloatType, IcebergType, NestedField

from target_iceberg.rows.types import contract_type

logger = logging.getLogger(__name__)

_MAKE: Mapping[str, Callable[[int], Transform[Any, Any]]] = {
    "identity": lambda _: IdentityTransform(),
    "year": lambda _: YearTransform(),
    "month": lambda _: MonthTransform(),
    "day": lambda _: DayTransform(),
    "hour": lambda _: HourTransform(),
    "bucket": BucketTransform,
    "truncate": TruncateTransform,
}
_NO_LETTER = re.compile(r"[^A-Za-z0-9_]|^[0-9]")
_SHORT = {"truncate": "trunc"}
"""How Iceberg's own names of partition fields say a transform."""
EXAMPLES = 20


@dataclass(frozen=True)
class Arrangement:
    """The layout that a contract asks for; None where it leaves a table as it is, empty for none."""

    partition: tuple[PartitionField, ...] | None = None
    sort: tuple[SortField, ...] | None = None

    @classmethod
    def of(cls, contract: Contract) -> Arrangement:
        """Return what a contract says."""
        return cls(contract.partition, contract.sort)


def is_plain(table: Table) -> bool:
    """Whether a data file may hold any rows, in any order."""
    return table.spec().is_unpartitioned() and not table.sort_order().fields


def unpartitioned(table: Table) -> PartitionSpec:
    """Return the spec without a field, under which a delete file is for rows of every partition."""
    for spec in table.specs().values():
        if spec.is_unpartitioned():
            return spec
    raise ValueError(f"table {'.'.join(table.name())} has no unpartitioned spec; load it once, and it gets one")


# Checks, before anything is changed


def check(contract: Contract, schema: Schema, table: Table | None, renames: Mapping[str, str]) -> None:
    """Raise ContractError where a stream's table, with the columns of `schema`, can't have its contract's layout.

    `table` is what is there, `renames` the columns of it that get another name.
    """
    place = contract.file if contract.written else f"stream {contract.stream}"
    fields = {field.name: field for field in schema.fields}
    for each in contract.partition or ():
        field = _field(f"{place}, partition", str(each), each.column, fields)
        if not _takes(field.field_type, each.transform):
            kind = contract_type(field.field_type)
            raise wrong(f"{place}, partition", str(each), f"{each.column} is {kind}: {_way_out(field, each.column)}")
    for order in contract.sort or ():
        _field(f"{place}, sort", str(order), order.column, fields)
    if table is not None:
        _check_names(place, fields, table, renames)


def _field(place: str, value: str, column: str, fields: Mapping[str, NestedField]) -> NestedField:
    if column not in fields:
        shown = ", ".join([*list(fields)[:EXAMPLES], *(["…"] if len(fields) > EXAMPLES else [])])
        raise wrong(place, value, f"there is no column {column}; the table has {shown}")
    return fields[column]


def _takes(kind: IcebergType, transform: str) -> bool:
    if isinstance(kind, FloatType | DoubleType):
        return False  # NaN and the two zeros are no values that engines compare alike
    return bool(_MAKE[transform](1).can_transform(kind))


def _way_out(field: NestedField, column: str) -> str:
    shapes = {"identity": column, "bucket": f"bucket(n, {column})", "truncate": f"truncate(n, {column})"}
    right = [
        shapes.get(name, f"{name}({column})")
        for name in ("identity", *TIMES, "bucket", "truncate")
        if _takes(field.field_type, name)
    ]
    return f"use {', '.join(right)}" if right else "partition by another column"


def _check_names(place: str, fields: Mapping[str, NestedField], table: Table, renames: Mapping[str, str]) -> None:
    """Raise ContractError where a column would get the name of a partition field: nobody could read the table then."""
    columns = {renames.get(each.name, each.name): each.field_id for each in table.schema().fields}
    for field in _all_fields(table.specs().values()):
        if field.name not in {*columns, *fields}:
            continue
        if not isinstance(field.transform, IdentityTransform) or columns.get(field.name) != field.source_id:
            raise ContractError(
                f"{place}: table {'.'.join(table.name())} can't have a column {field.name}: one of its partition "
                f"fields has this name, {field.transform} of the column "
                f"{table.schema().find_column_name(field.source_id)}. Give the column another name in the source, list "
                "both columns in the contract where one gets the other's name, or load into a new stream"
            )


def _all_fields(specs: Iterable[PartitionSpec]) -> list[Any]:
    return [field for spec in specs for field in spec.fields]


# Changes


def arrange(table: Table, wanted: Arrangement, *, merges: bool) -> Table:
    """Give a table the layout that is wanted, in one metadata commit or none.

    A table that `merges` has a spec without fields beside: its delete files are for all partitions.
    """
    partition = None if wanted.partition is None else _partition(table, wanted.partition)
    sort = None if wanted.sort is None else _sort(table, wanted.sort)
    respec = partition is not None and set(partition) != set(_current(table.spec()))
    reorder = sort is not None and sort != _order(table)
    lacking = merges and not any(spec.is_unpartitioned() for spec in table.specs().values())
    if not (respec or reorder or lacking):
        return table
    with table.transaction() as transaction:
        if lacking:
            before = list(table.spec().fields)
            _respec(transaction, {})
            _respec(transaction, {(field.source_id, str(field.transform)): field.transform for field in before})
        if respec and partition is not None:
            _respec(transaction, partition)
        if reorder and sort is not None:
            _reorder(transaction, sort)
    logger.info(
        "%s: partitioned by %s, sorted by %s; files of before stay as they are",
        ".".join(table.name()), _said(wanted.partition), _said(wanted.sort),
    )  # fmt: skip
    return table


def _said(fields: Sequence[object] | None) -> str:
    return "what it was" if fields is None else ", ".join(map(str, fields)) or "nothing"


def _partition(table: Table, fields: Sequence[PartitionField]) -> dict[tuple[int, str], Transform[Any, Any]]:
    """Return the transforms by (id of the column, text of the transform)."""
    found = {}
    for each in fields:
        transform = _MAKE[each.transform](each.parameter or 0)
        found[table.schema().find_field(each.column).field_id, str(transform)] = transform
    return found


def _current(spec: PartitionSpec) -> dict[tuple[int, str], str]:
    """Return the names of a spec's fields, by (id of the column, text of the transform)."""
    return {
        (field.source_id, str(field.transform)): field.name
        for field in spec.fields
        if not isinstance(field.transform, VoidTransform)
    }


def _respec(transaction: Transaction, wanted: Mapping[tuple[int, str], Transform[Any, Any]]) -> None:
    metadata = transaction.table_metadata
    schema, current = metadata.schema(), _current(metadata.spec())
    history = {(field.source_id, str(field.transform)): field.name for field in _all_fields(metadata.specs().values())}
    taken = {*history.values(), *(field.name for field in schema.fields)}
    with transaction.update_spec() as update:
        for key, name in current.items():
            if key not in wanted:
                update.remove_field(name)
        for key, transform in wanted.items():
            if key not in current:
                column = str(schema.find_column_name(key[0]))
                name = history[key] if key in history else _free_name(column, transform, taken)
                update.add_field(column, transform, name)
                taken.add(name)


def _free_name(column: str, transform: Transform[Any, Any], taken: set[str]) -> str:
    """Return Iceberg's usual name of a partition field, `updated_at_day`, or one with a number that nothing has.

    A manifest has the field by this name, and Avro's are of ASCII: what is none is encoded, `Größe` as `Gr_xF6_xDFe`.
    pyiceberg writes letters of other alphabets as they are, and readers refuse the manifest; DuckDB ends its process.
    """
    kind, _, parameter = str(transform).rstrip("]").partition("[")
    plain = _NO_LETTER.sub(lambda found: f"_x{ord(found[0]):X}", column)
    if kind == "identity" and plain == column:
        return column
    kind = "" if kind == "identity" else kind
    number, usual = 1, "_".join(part for part in (plain, _SHORT.get(kind, kind), parameter) if part)
    found = usual
    while found in taken:
        number += 1
        found = f"{usual}_{number}"
    return found


def _sort(table: Table, fields: Sequence[SortField]) -> list[tuple[int, str, str, str]]:
    return [
        (
            table.schema().find_field(each.column).field_id,
            str(IdentityTransform()),
            SortDirection.DESC.value if each.descending else SortDirection.ASC.value,
            NullOrder.NULLS_FIRST.value if each.nulls_first else NullOrder.NULLS_LAST.value,
        )
        for each in fields
    ]


def _order(table: Table) -> list[tuple[int, str, str, str]]:
    return [
        (each.source_id, str(each.transform), each.direction.value, each.null_order.value)
        for each in table.sort_order().fields
    ]


def _reorder(transaction: Transaction, wanted: Sequence[tuple[int, str, str, str]]) -> None:
    schema = transaction.table_metadata.schema()
    with transaction.update_sort_order() as update:
        for source_id, _, direction, nulls in wanted:
            add = update.desc if direction == SortDirection.DESC.value else update.asc
            add(str(schema.find_column_name(source_id)), IdentityTransform(), NullOrder(nulls))
