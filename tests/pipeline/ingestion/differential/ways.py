"""Every way that a row can travel: what can be moved so, and what the lake should hold of it then."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from headwater_contracts import table_name

from differential.kinds import KINDS, Kind
from differential.moves import (
    FOREIGN_KINDS,
    SAID,
    SNIFFED,
    Load,
    as_files,
    by,
    by_another_tap,
    by_files,
    by_log,
    by_one_that_died,
    by_records,
)
from differential.questions import Field
from differential.source import SourceTable, compared
from differential.tables import Column, Shape

Deletes = Literal["keep", "soft", "hard"]
READ: tuple[Shape, ...] = ("plain", "plain", "partitioned", "inherited", "granted", "viewed", "hidden", "owned")
"""Shapes of tables that the PostgreSQL tap reads, or does not."""


@dataclass(frozen=True)
class Way:
    """move: takes a load's tables into the lake. write, deletes: the contract's. kinds: what can travel so.

    complete: whether each load reads everything, whatever the table has; else a replication key decides. filler: rows
    of ordinary values that some tables have. misfits: whether a change may bring values that have to be set aside.
    """

    name: str
    move: Callable[[Load], None]
    write: Literal["append", "merge"] = "append"
    deletes: Deletes = "keep"
    kinds: tuple[Kind, ...] = KINDS
    complete: bool = False
    adds: bool = False
    """Whether every load adds all rows that there are, as a new file without a key does."""
    stamps: bool = True
    keyed: bool = False
    filler: int = 0
    shapes: tuple[Shape, ...] = ("plain", "plain", "partitioned", "inherited")
    misfits: bool = True
    clean: bool = False
    """Whether no row has such a value: the log fails then, and says so."""
    generated: bool = True
    patches: Mapping[str, int] = field(default_factory=dict)
    pinned: bool = False
    """Whether the contract lists the columns with their types."""

    def fields(self, source: SourceTable) -> list[Field]:
        """Return what can be asked of a table that came this way."""
        found = [
            Field(
                each.name, number, each.kind.family, compared(each).split(" collate")[0], each.kind.sums,
                nested=each.kind.name == "jsonb" and self.foreign, signed_zero=not self.name.startswith("pipe"),
            )
            for number, each in enumerate(source.columns)
        ]  # fmt: skip
        mark = Field("_sdc_deleted_at", len(found), "timestamptz", "timestamptz", mark=True)
        return [*found, mark] if self.deletes == "soft" else found

    def leaves_out(self, source: SourceTable) -> bool:
        """Return whether a table may not come: the tap's role would see a part of it."""
        return source.table.shape == "hidden"

    @property
    def sends_misfits(self) -> bool:
        """Whether values that the lake can't hold travel this way, and have to be set aside."""
        return not self.foreign and not self.name.startswith("files")

    @property
    def foreign(self) -> bool:
        """Whether another tap sends the rows."""
        return self.name.startswith("foreign")

    def contract(self, source: SourceTable) -> str:
        """Return the contract's text."""
        lines = ["quarantine: {rows: 100000, share: 100%}", "on_drift: {emptied: accept}"]
        if self.write == "merge":
            lines += [
                "write: merge",
                f"deletes: {self.deletes}",
                f"key: {json.dumps(source.table.keys, ensure_ascii=False)}",
            ]
        for name, said in (("partition", source.table.partition), ("sort", source.table.sort)):
            if said:
                lines.append(f"{name}: {json.dumps(said, ensure_ascii=False)}")
        if self.pinned:
            columns = {column.name: {"type": contract_type(column)} for column in source.columns}
            lines.append(f"columns: {json.dumps(columns, ensure_ascii=False)}")
        return "\n".join(lines) + "\n"

    def stays(self, source: SourceTable) -> dict[str, bool]:
        """Return what `SourceTable.loaded` asks: how this way's loads change what the lake holds."""
        merges = self.write == "merge"
        marks = merges and self.deletes == "soft"
        by_key = source.table.stamped and source.table.shape != "granted"
        replaces = self.complete or not (by_key or self.adds)
        return {
            "merges": merges,
            "replaces": replaces or self.adds,
            "keeps": self.adds or marks or (merges and self.deletes == "keep"),
            "marks": marks,
        }


def contract_type(column: Column) -> str:
    """Return the type of a column's values in a contract."""
    return {"double precision": "double", "text": "text"}.get(column.kind.compared, column.kind.compared)


def write_contracts(load: Load) -> None:
    """Write the contracts of a load's tables."""
    folder = load.shop.folder / "contracts" / "shop"
    folder.mkdir(parents=True)
    kind = "files" if load.way.name.startswith("files") else "postgres"
    (folder / "_source.yml").write_text(f"title: Shop\nkind: {kind}\ntap: tap-shop\n")
    for source in load.tables:
        stream = source.table.stored_name if kind == "files" else source.table.name
        (folder / f"{table_name(stream)}.yml").write_text(f"stream: {_yaml(stream)}\n{load.way.contract(source)}")
        if source.table.shape == "inherited":  # its child is a stream, too; nothing is asked of it
            child = source.table.child
            limits = "quarantine: {rows: 100000, share: 100%}\non_drift: {emptied: accept}\n"
            (folder / f"{table_name(child)}.yml").write_text(f"stream: {_yaml(child)}\n{limits}")
    load.shop.contracts = {"contracts": str(folder.parent)}


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _finite(kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    """Return kinds whose numbers are finite: JSON and CSV have no others."""
    finite = "{c} in ('NaN', 'Infinity', '-Infinity')"
    return tuple(replace(kind, misfit=finite) if kind.family in {"real", "double"} else kind for kind in kinds)


SMALL_GROUPS = {"target_iceberg.files.datafile.MOST_ROWS_OF_A_GROUP": 3}
SMALL_FILES = {"tap_postgres_arrow.parquet.GROUP_ROWS": 2_048}
PIECES = {**SMALL_FILES, "tap_postgres_arrow.parquet.LEAST_BYTES": 8_192}
MERGE: dict[str, Any] = {"write": "merge", "keyed": True, "misfits": False}
MERGED: dict[str, Any] = {**MERGE, "shapes": READ}
FOLLOWED: dict[str, Any] = {
    **MERGE,
    "clean": True,
    "deletes": "hard",
    "complete": True,
    "stamps": False,
    "shapes": ("plain", "plain", "viewed", "hidden", "owned"),
}

WAYS = (
    Way("pipe", by("pipe"), filler=5_000, shapes=READ, patches=SMALL_FILES),
    Way("pipe-readers", by("pipe", readers=3), filler=9_000, shapes=READ, patches=PIECES, stamps=False),
    Way("pipe-resumed", by_one_that_died("pipe", readers=2, piece_bytes=1 << 17, checkpoint_seconds=0),
        filler=9_000, shapes=READ, patches=PIECES, stamps=False),
    Way("arrow", by("arrow"), filler=300, shapes=READ, patches=SMALL_GROUPS),
    Way("parquet", by_files, filler=300, shapes=READ, patches=SMALL_GROUPS),
    Way("records", by_records, shapes=READ, patches=SMALL_GROUPS),
    Way("merge-keep", by("pipe"), **MERGED, filler=300, patches=SMALL_GROUPS),
    Way("merge-hard", by("pipe"), **MERGED, deletes="hard", stamps=False, patches=SMALL_GROUPS),
    Way("merge-soft", by("arrow"), **MERGED, deletes="soft", stamps=False, patches=SMALL_GROUPS),
    Way("merge-records", by_records, **MERGED, deletes="hard", stamps=False, patches=SMALL_GROUPS),
    Way("log", by_log("pipe"), **FOLLOWED),
    Way("log-records", by_log(None), **FOLLOWED),
    Way("log-soft", by_log("pipe"), **{**FOLLOWED, "deletes": "soft"}),
    Way("log-soft-records", by_log(None), **{**FOLLOWED, "deletes": "soft"}),
    Way("foreign-records", by_another_tap(None), kinds=_finite(FOREIGN_KINDS), complete=True, stamps=False,
        generated=False, patches=SMALL_GROUPS),
    Way("foreign-jsonl", by_another_tap("none"), kinds=_finite(FOREIGN_KINDS), complete=True, stamps=False,
        generated=False),
    Way("foreign-gzip-merge", by_another_tap("gzip"), kinds=_finite(FOREIGN_KINDS), complete=True, stamps=False,
        generated=False, **{**MERGE, "deletes": "hard"}),
    Way("files-csv", as_files("csv", SAID), kinds=_finite(KINDS), stamps=False, adds=True, pinned=True),
    Way("files-csv-sniffed", as_files("csv", SNIFFED), kinds=_finite(KINDS), stamps=False, adds=True, pinned=True),
    Way("files-jsonl", as_files("jsonl", {}), kinds=_finite(KINDS), stamps=False, adds=True, pinned=True),
    Way("files-parquet", as_files("parquet", {}), stamps=False, adds=True, pinned=True),
)  # fmt: skip
