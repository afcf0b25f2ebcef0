"""Data and delete files that no commit will ever use: recognised by their names, not by their age.

A file is named after the load that it was written for. A load is committed only while the table's last load is the one
before it. So once the table stands at load n, a file of load n or older that belongs to no snapshot is from a run that
failed, or had rows that were replaced and have expired. A run in progress writes files of load n + 1.
"""

from __future__ import annotations

import re

import pyarrow.fs as pafs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider

from target_iceberg.state.position import read_position

_NAME = re.compile(r"(?:^|[/-])load-(\d{8,})-([0-9a-f-]{36})-\d+(?:-deletes|-[0-9a-f]{8})?\.parquet$")


def load_of(path: str) -> tuple[int, str] | None:
    """Return number and run of the load that a data or delete file was written for; None for a file of others."""
    match = _NAME.search(path)
    return None if match is None else (int(match[1]), match[2])


def held(table: Table) -> set[str]:
    """Return the data and delete files of all of the table's snapshots, of those that are only staged too."""
    manifests = {
        manifest.manifest_path: manifest
        for snapshot in table.metadata.snapshots
        for manifest in snapshot.manifests(table.io)
    }
    return {
        entry.data_file.file_path
        for manifest in manifests.values()
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }


def orphans(table: Table) -> list[str]:
    """Return the locations of the table's orphaned data files, sorted; lists the table's data folder."""
    position = read_position(table.metadata)
    if position is None or not isinstance(table.io, PyArrowFileIO):
        return []
    root = load_location_provider(table.location(), table.properties).data_path
    scheme, netloc, path = PyArrowFileIO.parse_location(root, table.io.properties)
    files = table.io.fs_by_scheme(scheme, netloc)
    selector = pafs.FileSelector(path, recursive=True, allow_not_found=True)
    found = [f"{root}{info.path[len(path.rstrip('/')) :]}" for info in files.get_file_info(selector) if info.is_file]
    old = [name for name in found if (load := load_of(name)) is not None and load[0] <= position.load]
    used = held(table) if old else set()
    return sorted(name for name in old if name not in used)
