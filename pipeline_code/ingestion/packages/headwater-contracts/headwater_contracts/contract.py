"""A stream's contract and its source, as their files say them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from headwater_contracts.drift import DEFAULTS, Action, Drift
from headwater_contracts.errors import ContractError, choice, mapping, text, texts, wrong
from headwater_contracts.names import table_name
from headwater_contracts.parts import (
    Column,
    Deletes,
    Freshness,
    PartitionField,
    Quarantine,
    SortField,
    Write,
    check_partition,
    check_sort,
    parse_column,
    parse_freshness,
    parse_partition,
    parse_quarantine,
    parse_sort,
)

KINDS = ("postgres", "stripe", "salesforce", "files")
STREAM_KEYS = (
    "stream", "version", "description", "key", "replication_key", "write", "deletes", "sort", "partition", "freshness",
    "quarantine", "on_drift", "columns",
)  # fmt: skip
SOURCE_KEYS = ("title", "kind", "tap", "description", "owner")
ADDED_COLUMNS = frozenset({"_loaded_at", "_sdc_deleted_at", "_sdc_lsn"})
"""Columns that Headwater adds: not listed in contracts, but rows may be sorted and partitioned by them."""

T = TypeVar("T")


@dataclass(frozen=True)
class Contract:
    """What is expected of a stream. `source` is the folder's name; empty where nobody wrote a contract.

    No `columns` means that any are fine. `freshness` is None where nobody cares. `on_drift` holds every Drift. `sort`
    and `partition` are None where the table keeps the layout that it has; empty, they take it away.
    """

    source: str
    stream: str
    description: str = ""
    version: int = 0
    key: tuple[str, ...] = ()
    replication_key: str | None = None
    write: Write = Write.APPEND
    deletes: Deletes = Deletes.KEEP
    sort: tuple[SortField, ...] | None = None
    partition: tuple[PartitionField, ...] | None = None
    freshness: Freshness | None = None
    quarantine: Quarantine = field(default_factory=Quarantine)
    on_drift: Mapping[Drift, Action] = field(default_factory=lambda: dict(DEFAULTS))
    columns: Mapping[str, Column] = field(default_factory=dict)

    @property
    def written(self) -> bool:
        """Whether there is a file; a stream without one is loaded with all defaults."""
        return bool(self.source)

    @property
    def table(self) -> str:
        """Name of the stream's table in namespace `raw`."""
        return table_name(self.stream)

    @property
    def file(self) -> str:
        """The contract's file, relative to the folder of all contracts."""
        return f"{self.source}/{self.table}.yml"


@dataclass(frozen=True)
class Source:
    """A source system: its extractor in meltano.yml, and its streams by name."""

    name: str
    title: str
    kind: str
    tap: str
    description: str
    streams: tuple[Contract, ...]
    owner: str | None = None
    """The mail address of whoever answers for what it sends."""


def parse_source(name: str, place: str, content: Any, streams: tuple[Contract, ...]) -> Source:
    """Return the source of a `_source.yml`. `place` names the file in errors."""
    found = mapping(place, content, SOURCE_KEYS, ("title", "kind", "tap"))
    if found["kind"] not in KINDS:
        raise wrong(f"{place}, kind", found["kind"], f"use {' or '.join(KINDS)}")
    return Source(
        name,
        text(f"{place}, title", found["title"]),
        found["kind"],
        text(f"{place}, tap", found["tap"]),
        text(f"{place}, description", found["description"]) if "description" in found else "",
        streams,
        _address(f"{place}, owner", found["owner"]) if "owner" in found else None,
    )


def _address(place: str, value: Any) -> str:
    address = text(place, value)
    if not re.fullmatch(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", address):
        raise wrong(place, value, "use a mail address, such as shop@petco.example")
    return address


def parse_contract(source: str, place: str, content: Any) -> Contract:
    """Return the contract that a YAML document says; ContractError names `place`, key and value."""
    found = mapping(place, content, STREAM_KEYS, ("stream",))

    def read(key: str, parse: Callable[[str, Any], T], default: T) -> T:
        return parse(f"{place}, {key}", found[key]) if found.get(key) is not None else default

    contract = Contract(
        source=source,
        stream=text(f"{place}, stream", found["stream"]),
        description=read("description", text, ""),
        version=read("version", _version, 1),
        key=read("key", texts, ()),
        replication_key=read("replication_key", text, None),
        write=read("write", lambda where, value: choice(where, value, Write), Write.APPEND),
        deletes=read("deletes", lambda where, value: choice(where, value, Deletes), Deletes.KEEP),
        sort=read("sort", lambda where, value: _each(where, value, parse_sort), None),
        partition=read("partition", lambda where, value: _each(where, value, parse_partition), None),
        freshness=read("freshness", parse_freshness, None),
        quarantine=read("quarantine", parse_quarantine, Quarantine()),
        on_drift=read("on_drift", _on_drift, dict(DEFAULTS)),
        columns=read("columns", _columns, {}),
    )
    _check_names(place, contract)
    check_partition(f"{place}, partition", contract.partition or ())
    check_sort(f"{place}, sort", contract.sort or ())
    return contract


def _version(place: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise wrong(place, value, "write a number from 1 on, one higher with each change of the contract")
    return value


def _each(place: str, value: Any, parse: Callable[[str, str], T]) -> tuple[T, ...]:
    return tuple(parse(place, each) for each in texts(place, value))


def _on_drift(place: str, value: Any) -> dict[Drift, Action]:
    found = mapping(place, value, tuple(Drift))
    return {**DEFAULTS, **{Drift(kind): choice(f"{place}.{kind}", action, Action) for kind, action in found.items()}}


def _columns(place: str, value: Any) -> dict[str, Column]:
    if not isinstance(value, dict):
        raise wrong(place, value, "write name: {type: …} for each column")
    return {name: parse_column(f"{place}.{name}", name, each) for name, each in value.items()}


def _check_names(place: str, contract: Contract) -> None:
    """Raise ContractError for a name that is no column, and for a merge or deletes that lack a key."""
    uses: Sequence[tuple[str, Sequence[str]]] = (
        ("key", contract.key),
        ("replication_key", () if contract.replication_key is None else (contract.replication_key,)),
        ("sort", [each.column for each in contract.sort or ()]),
        ("partition", [each.column for each in contract.partition or ()]),
    )
    for key, names in uses:
        for name in names if contract.columns else ():
            if name not in contract.columns and name not in ADDED_COLUMNS:
                raise wrong(f"{place}, {key}", name, "name one of the contract's columns")
    if not contract.key and (contract.write is Write.MERGE or contract.deletes is not Deletes.KEEP):
        reason = "write: merge" if contract.write is Write.MERGE else f"deletes: {contract.deletes}"
        raise ContractError(f"{place}: {reason} needs a key: say `key: [column]`")
