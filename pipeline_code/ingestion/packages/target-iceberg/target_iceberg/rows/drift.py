"""What to do when a stream's columns and key are not those that the contract, or the table, expects.

`plan` compares three things: what the tap announces, what the contract says, and what the table holds. Nothing here
touches a table. Widening is applied. If neither of two types can hold the other's values, the new one gets its own
column, `<name>__<type>`, until the contract decides: it may list both columns, or give the name to the new type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headwater_contracts import Contract, Drift
from headwater_contracts.contract import ADDED_COLUMNS
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, NestedField

from target_iceberg.rows.findings import Finding, finding, noted, raise_failing
from target_iceberg.rows.types import (
    LOADED_AT,
    contract_type,
    holds,
    iceberg_schema,
    iceberg_type,
    stores,
    with_identifiers,
)

OWN_COLUMN = "Headwater: values of another type of the column "
"""How the comment of a column begins that holds what its namesake cannot."""

MISSING = "x-headwater-missing"
"""Of a column in a stream's schema: a file that lacks it, as tap-files says."""


@dataclass(frozen=True)
class Plan:
    """How a stream is stored: the schema that its table needs, and where each of the stream's columns goes.

    `renames` (old name → new name) come first. `columns`: name in the stream → name in the table, for all that the tap
    sends. `casts`: those whose values have to be parsed. `keys` are table columns; `unique` says whether the source
    guarantees that they are.
    """

    schema: Schema
    columns: Mapping[str, str]
    casts: frozenset[str]
    keys: tuple[str, ...]
    unique: bool
    renames: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def is_plain(self) -> bool:
        """Whether every column is stored as it comes."""
        return not self.casts and all(name == stored for name, stored in self.columns.items())


@dataclass
class _Draft:
    """A plan in the making; `existing` are the table's fields, None where there is no table yet."""

    contract: Contract
    existing: dict[str, NestedField] | None
    findings: list[Finding] = field(default_factory=list)
    renames: dict[str, str] = field(default_factory=dict)
    fields: dict[str, NestedField] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    casts: set[str] = field(default_factory=set)
    folded: dict[str, str] = field(default_factory=dict)
    """Names of columns in lower case → as they are."""

    def __post_init__(self) -> None:
        self.folded = {name.lower(): name for name in (LOADED_AT, *(self.existing or ()))}

    def say(self, drift: Drift, column: str, message: str, decision: str) -> None:
        place = f"{self.contract.stream}.{column}" if column else self.contract.stream
        self.findings += finding(self.contract, drift, column, f"{place}: {message}", decision)

    def held(self, name: str) -> NestedField | None:
        return None if self.existing is None else self.existing.get(name)


def plan(contract: Contract, schema: Mapping[str, Any], keys: Sequence[str], table: Schema | None) -> Plan:
    """Return how to store a stream that the tap announces with a JSON `schema` and `keys`.

    `table` is the schema of its table, None if there is none. Raises DriftError where the contract lets a change fail
    the stream, ValueError where the announcement contradicts itself.
    """
    draft = _Draft(contract, None if table is None else {each.name: each for each in table.fields})
    expected = contract.key or (tuple(sorted(table.identifier_field_names())) if table is not None else ())
    effective, unique = _keys(draft, schema, keys, expected)
    sent = iceberg_schema(contract.stream, schema, effective)
    for each in sent.fields:
        if each.name == LOADED_AT:
            draft.fields[LOADED_AT] = each
        else:
            _place(draft, each, effective)
    _missing(draft, {each.name for each in sent.fields})
    _missing_in_files(draft, schema["properties"])
    draft.findings += noted(schema)
    raise_failing(tuple(draft.findings))
    stored_keys = tuple(draft.columns[key] for key in effective)
    return Plan(
        with_identifiers(list(draft.fields.values()), stored_keys),
        draft.columns,
        frozenset(draft.casts),
        stored_keys,
        unique,
        draft.renames,
        tuple(draft.findings),
    )


def _keys(
    draft: _Draft, schema: Mapping[str, Any], keys: Sequence[str], expected: tuple[str, ...]
) -> tuple[tuple[str, ...], bool]:
    """Return the key to use, and whether the source guarantees that it is unique."""
    if not expected or set(keys) == set(expected):
        return tuple(draft.contract.key or keys), bool(keys)
    complete = all(key in schema["properties"] for key in expected)
    if complete and not keys:
        draft.say(
            Drift.KEY_DROPPED, "",
            f"the source no longer declares the key ({', '.join(expected)}); it is still used as the key",
            "Restore the primary key in the source, or say `key_dropped: accept` in the contract's on_drift",
        )  # fmt: skip
        return expected, False
    draft.say(
        Drift.KEY_CHANGED, "",
        f"the source's key is now ({', '.join(keys) or 'none'}), expected is ({', '.join(expected)}): rows of one "
        "can't be told from rows of the other",
        "Load it into a new stream; or put the new key into the contract and say `key_changed: accept` in its "
        "on_drift, after which older rows keep their old key",
    )  # fmt: skip
    use_contract = bool(draft.contract.key) and complete
    return (expected if use_contract else tuple(keys)), not use_contract


def _place(draft: _Draft, sent: NestedField, keys: Sequence[str]) -> None:
    """Decide in which column a sent one is stored, and with which type."""
    name, contract = _distinct(draft, sent.name), draft.contract
    column = contract.columns.get(name)
    wanted = None if column is None else iceberg_type(column.type)
    kind: IcebergType = sent.field_type
    if column is not None and wanted is not None and kind != wanted and (column.cast or stores(wanted, kind)):
        if column.cast and not stores(wanted, kind):
            draft.casts.add(sent.name)
        kind = wanted
    held = _renamed(draft, name, wanted, is_key=sent.name in keys)
    base = held.field_type if held is not None else wanted
    added = name in ADDED_COLUMNS  # by a tap of ours: no source sends it, no contract lists it
    if column is None and not added and (contract.columns or (draft.existing is not None and held is None)):
        draft.say(
            Drift.NEW_COLUMN, name, f"the source sends a new column ({contract_type(kind)}); it was added to the table",
            "Add it to the contract's columns, or deselect it in meltano.yml",
        )  # fmt: skip
    was_required = column.required if column is not None else held is not None and held.required
    if was_required and not sent.required:
        draft.say(
            Drift.NULLABLE, name, "the source now allows nulls, and so does the table",
            "Take `required` out of the contract, or have the source say NOT NULL again",
        )  # fmt: skip
    if base is None or stores(base, kind):
        stored = kind if base is None else base
        # The table may be wide by now; the contract still is not.
        widened = wanted is not None and not stores(wanted, kind) and holds(kind, wanted)
        _store_widened(draft, sent, name, stored, wanted or base, told=widened)
    elif holds(kind, base):
        _store_widened(draft, sent, name, kind, wanted or base, told=wanted is None or wanted != kind)
    else:
        _split(draft, sent, name, kind, base, is_key=sent.name in keys)


def _store_widened(
    draft: _Draft, sent: NestedField, name: str, stored: IcebergType, expected: IcebergType | None, *, told: bool
) -> None:
    if told and expected is not None:
        draft.say(
            Drift.TYPE_WIDENED, name,
            f"the source sends a wider type than {contract_type(expected)}, which is expected; the table's column is "
            f"now {contract_type(stored)}",
            f"Write `type: {contract_type(stored)}` into the contract",
        )  # fmt: skip
    _store(draft, sent, name, stored)


def _split(draft: _Draft, sent: NestedField, name: str, kind: IcebergType, base: IcebergType, *, is_key: bool) -> None:
    """Give values that the column `name` cannot hold a column of their own."""
    new, old = contract_type(kind), contract_type(base)
    own = f"{name}__{new.suffix}"
    if is_key:
        draft.say(
            Drift.KEY_CHANGED, name,
            f"the key column is now {new}, it was {old}: rows of one can't be told from rows of the other",
            "Load it into a new stream, or say `key_changed: accept` in the contract's on_drift",
        )  # fmt: skip
    if own not in draft.contract.columns:
        draft.say(
            Drift.TYPE_CHANGED, name,
            f"the source now sends {new}, which {old} can't hold; new values go to {own}, {name} keeps the older ones",
            f"Decide in the contract: list {own} as a column too (both stay), or write `type: {new}` for {name} (the "
            f"old values then move to {name}__{old.suffix}); or have the source send {old} again"
            + ("" if new.name != "text" else f"; or `cast: true` to have the text parsed as {old}"),
        )  # fmt: skip
    draft.fields[name] = NestedField(0, name, base, required=False)
    draft.columns[sent.name] = own
    draft.fields[own] = NestedField(0, own, kind, doc=f"{OWN_COLUMN}{name}", required=False)


def _renamed(draft: _Draft, name: str, wanted: IcebergType | None, *, is_key: bool) -> NestedField | None:
    """Return the table's field of that name, after giving the name to the type that the contract has decided for."""
    held = draft.held(name)
    if held is None or wanted is None or holds(wanted, held.field_type) or holds(held.field_type, wanted):
        return held
    if is_key or draft.existing is None:
        return held
    old = f"{name}__{contract_type(held.field_type).suffix}"
    own = f"{name}__{contract_type(wanted).suffix}"
    if old in draft.existing:
        return held  # both names are taken: the columns stay where they are
    draft.renames[name] = old
    draft.fields[old] = NestedField(0, old, held.field_type, doc=f"{OWN_COLUMN}{name}", required=False)
    moved = draft.held(own)
    if moved is None:
        return None
    draft.renames[own] = name
    return NestedField(0, name, moved.field_type, required=False)


def _missing(draft: _Draft, sent: set[str]) -> None:
    """Keep columns that the source does not send, and say so where they were expected."""
    stored = set(draft.columns.values())
    for name, column in draft.contract.columns.items():
        if name in sent or name in stored or name in draft.fields:
            continue
        held = draft.held(name)
        kind = iceberg_type(column.type) if held is None else held.field_type
        draft.fields[name] = NestedField(0, name, kind, required=False)
        _say_missing(draft, name, kind, sent)
    for name, held in (draft.existing or {}).items():
        if name in sent or name in stored or name in draft.contract.columns or name in draft.renames:
            continue
        if held.required and not draft.contract.columns:
            _say_missing(draft, name, held.field_type, sent)


def _missing_in_files(draft: _Draft, properties: Mapping[str, Any]) -> None:
    """Say which columns some file lacks that others of the stream have, or had."""
    for name, said in properties.items():
        stored = draft.columns.get(name, name)
        held = draft.held(stored)
        if MISSING not in said or (held is not None and (held.doc or "").startswith(OWN_COLUMN)):
            continue
        draft.say(
            Drift.MISSING_COLUMN, stored,
            f"file {said[MISSING]} lacks this column; its rows have null there",
            "Correct the file and put it there once more; or take the column out of the contract",
        )  # fmt: skip


def _say_missing(draft: _Draft, name: str, kind: IcebergType, sent: set[str]) -> None:
    new = [
        each
        for each in sorted(sent - ADDED_COLUMNS)
        if each not in draft.contract.columns
        and draft.fields[draft.columns[each]].field_type == kind
        and (draft.contract.columns or (draft.existing is not None and each not in draft.existing))
    ]
    hint = f" (renamed to {new[0]}?)" if len(new) == 1 else ""
    draft.say(
        Drift.MISSING_COLUMN, name,
        f"the source no longer sends this column{hint}; it stays in the table, with nulls in new rows",
        "Take it out of the contract, or check the source's grants and the selection in meltano.yml",
    )  # fmt: skip


def _store(draft: _Draft, sent: NestedField, name: str, kind: IcebergType) -> None:
    draft.columns[sent.name] = name
    draft.fields[name] = NestedField(0, name, kind, required=sent.required)


def _distinct(draft: _Draft, name: str) -> str:
    """Return a name that no other column has in another letter case: Trino could read none of the two."""
    number, found = 1, name
    while draft.folded.setdefault(found.lower(), found) != found:
        number += 1
        found = f"{name}_{number}"
    return found
