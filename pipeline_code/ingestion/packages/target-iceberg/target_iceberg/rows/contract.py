"""The contracts that this target follows, and a first one made from what was loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater_contracts import Column, Contract, ContractError, find
from headwater_contracts.files import root

if TYPE_CHECKING:
    from pyiceberg.schema import Schema


def contract_of(folder: str | None, stream: str) -> Contract:
    """Return a stream's contract below `folder`, or one of all defaults, where there is none.

    Raises ContractError for a file that is wrong, for a folder that is not there, and for the contract of another
    stream, whose table this one would be.
    """
    found = find(root(folder), stream) if folder else None
    if found is not None and found.stream != stream:
        raise ContractError(
            f"stream {stream!r} would be table {found.table}, which {found.file} has for {found.stream!r}: rename one "
            f"in the source, or leave it out: - '!{stream}.*' below `select`"
        )
    return found if found is not None else Contract("", stream)


def proposed(stream: str, table: Schema, replication_key: str | None = None) -> Contract:
    """Return the contract that agrees with a stream's table as it is."""
    from target_iceberg.rows.types import (  # late: pyiceberg, which `contract_of` can do without
        LOADED_AT,
        contract_type,
    )

    columns = {
        field.name: Column(field.name, contract_type(field.field_type), required=field.required)
        for field in table.fields
        if field.name != LOADED_AT and not field.name.startswith("_sdc_")
    }
    names = table.identifier_field_names()
    key = tuple(name for name in columns if name in names)
    return Contract("", stream, version=1, key=key, replication_key=replication_key, columns=columns)
