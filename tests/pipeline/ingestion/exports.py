"""A folder of files, read by tap-files and loaded by the target in this process."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import reading
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table
from tap_files.main import Run
from tap_files.settings import PROGRAM
from target_iceberg.settings import Settings
from target_iceberg.state.position import read_position
from target_iceberg.target import Target


@dataclass
class Exports:
    """A folder of files, and the namespace that it is loaded into."""

    folder: Path
    namespace: str
    state: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    contracts: dict[str, str] = field(default_factory=dict)
    lake: str = "lake"

    @property
    def root(self) -> Path:
        return self.folder / "exports"

    def put(self, name: str, content: bytes | str) -> Path:
        """Write a file, later than all before."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    @property
    def storage(self) -> dict[str, str]:
        return {"root": (self.folder / "batch").as_uri()}

    @property
    def config(self) -> dict[str, Any]:
        batches = {"encoding": {"format": "parquet"}, "storage": self.storage}
        return {"path": str(self.root), "batch_config": batches, **self.settings, **self.contracts}

    def contract(self, stream: str, text: str) -> None:
        """Write the contract of a stream; the tap and the target read it."""
        folder = self.folder / "contracts" / "exports"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "_source.yml").write_text("title: Exports\nkind: files\ntap: tap-exports\n")
        (folder / f"{stream}.yml").write_text(f"stream: {stream}\n{text}")
        self.contracts = {"contracts": str(folder.parent)}

    def extract(self) -> list[str]:
        """Run the tap from the last state and return its lines."""
        config = PROGRAM.checked(self.config)
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(output):
            run = Run(config)
            try:
                run.sync(None, json.loads(json.dumps(self.state)))
            finally:
                run.close()
        output.seek(0)
        return output.read().splitlines()

    def load(self, lines: list[str]) -> None:
        """Run the target, and keep the state that it lets go of."""
        output = io.StringIO()
        chosen = Settings.of({"catalog": self.lake, "namespace": self.namespace, **self.contracts})
        with contextlib.redirect_stdout(output):
            try:
                Target(chosen).listen(line + "\n" for line in lines)
            finally:
                for line in output.getvalue().splitlines():
                    self.state = json.loads(line)

    def replicate(self) -> None:
        self.load(self.extract())

    def table(self, name: str) -> Table:
        return load_catalog(self.lake).load_table((self.namespace, name))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows in the order of file, version and number, without the target's column."""
        found = self.table(name).scan().to_arrow()
        ordered = found.sort_by([("_file", "ascending"), ("_modified", "ascending"), ("_row", "ascending")])
        return [{key: value for key, value in row.items() if key != "_loaded_at"} for row in ordered.to_pylist()]

    def values(self, name: str) -> list[tuple[Any, ...]]:
        """Return the rows without the tap's columns."""
        return [tuple(v for k, v in row.items() if not k.startswith("_")) for row in self.rows(name)]

    def types(self, name: str) -> dict[str, str]:
        return {each.name: str(each.field_type) for each in self.table(name).schema().fields}

    def quarantine(self) -> list[dict[str, Any]]:
        if not load_catalog(self.lake).table_exists((self.namespace, "quarantine")):
            return []
        return self.table("quarantine").scan().to_arrow().sort_by("row").to_pylist()

    def merged(self, name: str, column: str) -> list[Any]:
        """Return a column of the live rows of a table that was merged into."""
        return [value for (value,) in reading.rows(self.table(name), column)]

    def positions(self, *streams: str) -> dict[str, Any]:
        """Return where the tables stand, as headwater-ingest tells the tap."""
        catalog = load_catalog(self.lake)
        found = {}
        for stream in streams:
            if catalog.table_exists((self.namespace, stream)):
                position = read_position(self.table(stream).metadata)
                found[stream] = {} if position is None else position.bookmark
        return found

    @staticmethod
    def decimal(text: str) -> Decimal:
        return Decimal(text)
