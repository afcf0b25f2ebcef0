"""The streams of a source: the files of each, its settings, and the contract that fixes its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from headwater_contracts import ColumnType, Contract, Write, find
from headwater_contracts.files import root

from tap_files import content
from tap_files.csvfile import CsvFile
from tap_files.errors import FilesError
from tap_files.grouping import EXTENSIONS, grouped
from tap_files.inference import Evidence
from tap_files.jsonlines import JsonLinesFile
from tap_files.parquetfile import ParquetFile
from tap_files.rows import ROW, Piece
from tap_files.scratch import Scratch
from tap_files.settings import StreamSettings, stream_settings
from tap_files.store import File, Store
from tap_files.types import BIGINT, TEXT, TIMESTAMPTZ

FILE, MODIFIED = "_file", "_modified"
ADDED: Mapping[str, ColumnType] = {FILE: TEXT, ROW: BIGINT, MODIFIED: TIMESTAMPTZ}
"""Columns that the tap adds: the file's path below the root, the row's number in it, when the file was written."""
LOADED_AT, DELETED_AT = "_loaded_at", "_sdc_deleted_at"
"""Columns of the lake: when a row was loaded; when it was deleted, which a merge reads there."""
KEY = (FILE, ROW)
"""Key of a stream whose contract names none."""


class Content(Protocol):
    """A file of any format."""

    file: File

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed of it that a reader should know."""

    @property
    def has_rows(self) -> bool:
        """Whether it has a row; known after `evidence`."""

    def evidence(self, pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:
        """Return what its values tell of the columns' types."""

    def pieces(self, kinds: Mapping[str, ColumnType]) -> Iterator[Piece]:
        """Yield its rows (Piece) in the types of `kinds`."""


@dataclass(frozen=True)
class FileStream:
    """A stream: its name with the source's prefix, all its files, the oldest first, and what is known of it.

    contract: None where nobody wrote one. lost: files that are left out, as their name makes the same stream: what is
    said of them.
    """

    name: str
    files: tuple[File, ...]
    settings: StreamSettings
    contract: Contract | None
    lost: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return self.contract.key if self.contract is not None and self.contract.key else KEY

    @property
    def expected(self) -> tuple[str, ...]:
        """The columns that the contract says the files have."""
        columns = {} if self.contract is None else self.contract.columns
        return tuple(name for name in columns if name not in ADDED)

    @property
    def merges(self) -> bool:
        """Whether of a key only the newest row stays."""
        return self.contract is not None and self.contract.write is Write.MERGE

    @property
    def pinned(self) -> dict[str, ColumnType]:
        """The types that the contract says."""
        columns = {} if self.contract is None else self.contract.columns
        return {name: each.type for name, each in columns.items() if name not in ADDED and not each.cast}


class Files:
    """A place with files, as streams. Close it after the run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the settings, with their defaults. FilesError for a wrong one."""
        self.config = config
        self.store = Store(config["path"], config)
        self.scratch = Scratch()
        self.left: list[File] = []

    def close(self) -> None:
        """Remove what was kept."""
        self.scratch.close()

    def streams(self) -> list[FileStream]:
        """Return all streams by name: those of the files, and those that settings name, even if their files are gone.

        FilesError where there is nothing that can be read.
        """
        settings = stream_settings(self.config)
        patterns = {name: each.files for name, each in settings.items() if each.files is not None}
        files = self.store.files()
        groups, self.left, lost = grouped(files, patterns)
        if not groups and not settings:
            if not files:
                raise FilesError(f"{self.store.path} is empty: put files there, and run again")
            others = ", ".join(each.name for each in files[:3])
            raise FilesError(
                f"{self.store.path} has no file of a format that is read ({', '.join(sorted(EXTENSIONS))}; also .gz "
                f"and .zst), but {len(files)} others: {others}"
            )
        prefix = self.config["stream_prefix"]
        names = sorted({*groups, *settings})
        return [
            FileStream(
                f"{prefix}{name}", tuple(groups.get(name, ())), settings.get(name, StreamSettings()),
                self._contract(f"{prefix}{name}"), tuple(lost.get(name, ())),
            )
            for name in names
            if name not in settings or not settings[name].leave_out
        ]  # fmt: skip

    def content(self, stream: FileStream, file: File) -> Content | None:
        """Return what a file holds; None where it holds nothing. FilesError names a file that can't be read."""
        begins = content.sample(self.store, file)
        if not begins.strip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"):
            return None
        kinds: dict[str, Callable[..., Content]] = {
            content.CSV: CsvFile,
            content.JSON_LINES: JsonLinesFile,
            content.PARQUET: ParquetFile,
        }
        try:
            return kinds[content.layout(file, begins)](self.store, file, begins, stream.settings, self.scratch)
        except FilesError as error:
            raise FilesError(f"{self.store.path}, stream {stream.name}: {error}") from error

    def _contract(self, stream: str) -> Contract | None:
        folder = self.config.get("contracts")
        return find(root(folder), stream) if folder else None
