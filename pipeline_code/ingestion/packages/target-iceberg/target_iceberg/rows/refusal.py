"""Takes the place of an intake where a stream may not be loaded: its rows are dropped, and the others go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from headwater_contracts import Contract

from target_iceberg.quarantine.rejected import Rejected
from target_iceberg.rows.findings import Finding


class Refusal:
    """Takes the rows of a stream that may not be loaded, so that its tap can go on to the next, and drops them."""

    def __init__(self, contract: Contract, reason: ValueError) -> None:
        """Keep why; `check` raises it."""
        self.contract, self.reason = contract, reason
        self.expected: int | None = None
        self.columns = pa.schema([])

    def write_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Drop records."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Drop rows."""

    def receive(self, files: Sequence[Iterable[bytes]], _sent: Sequence[str]) -> int:
        """Drop files; the tap must get rid of them."""
        for chunks in files:
            for _ in chunks:
                pass
        return 0

    place = None
    progress = None

    def take_stored(self, paths: Sequence[str]) -> int:
        """There are none: nobody was told of a place."""
        raise ValueError(f"{self.contract.stream}: files {list(paths)} were stored for a stream that takes none")

    def take_over(self, paths: Sequence[str]) -> int:
        """There are none: nobody was told of them."""
        return self.take_stored(paths)

    def keep(self, told: Mapping[str, Any]) -> None:
        """There is nothing to keep."""

    def set_aside(self, rejected: Rejected) -> None:
        """Drop a row."""

    def restart(self) -> None:
        """There is nothing to forget."""

    def replace(self) -> None:
        """There is nothing to replace."""

    def check(self) -> tuple[Finding, ...]:
        """Raise the reason."""
        raise self.reason
