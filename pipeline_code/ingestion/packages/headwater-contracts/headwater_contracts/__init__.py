"""Contracts of streams: what a source is expected to send, how it is stored, and what to do when it changes.

`read_source` and `read_sources` read folders, `find` one stream. Needs PyYAML only, so that every image can use it.
"""

from headwater_contracts.contract import Contract, Source
from headwater_contracts.drift import Action, Drift
from headwater_contracts.errors import ContractError
from headwater_contracts.files import find, read_source, read_sources
from headwater_contracts.names import table_name
from headwater_contracts.parts import (
    Column,
    Deletes,
    Freshness,
    PartitionField,
    Quarantine,
    SortField,
    Write,
)
from headwater_contracts.types import ColumnType

__all__ = [
    "Action",
    "Column",
    "ColumnType",
    "Contract",
    "ContractError",
    "Deletes",
    "Drift",
    "Freshness",
    "PartitionField",
    "Quarantine",
    "SortField",
    "Source",
    "Write",
    "find",
    "read_source",
    "read_sources",
    "table_name",
]
