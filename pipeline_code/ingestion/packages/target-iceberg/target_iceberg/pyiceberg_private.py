"""Everything that this target uses of pyiceberg's internals: private names, classes not made to be extended.

A release may change any of it without notice. So the version is pinned, VERSION says for which one this was read, and
`test_pyiceberg_private.py` says what to read again when the pin moves.

pyiceberg writes data files only. Here delete files are added in the same snapshot: the equality deletes of a merge have
its sequence number, so that they delete older rows but not the merge's own.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import BooleanExpression
from pyiceberg.expressions.visitors import _InclusiveMetricsEvaluator
from pyiceberg.manifest import (
    DataFile,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    ManifestWriterV2,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import AssertRefSnapshotId, TableRequirement, TableUpdate, UpdatesAndRequirements
from pyiceberg.table.update.snapshot import _FastAppendFiles, _ManifestMergeManager
from pyiceberg.typedef import Properties, Record, TableVersion
from pyiceberg.types import IntegerType, ListType, NestedField, StructType

if TYPE_CHECKING:
    from requests import Session

    from target_iceberg.commit.snapshot import Change

VERSION = "0.12.0"
"""The version of pyiceberg that this module was read against."""
EQUALITY_IDS = 135
"""Field id of `equality_ids` in the Iceberg specification."""
_PARTITION = 3
"""Place of the partition among a data file's fields in pyiceberg."""


def send(table: Table, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...]) -> None:
    """Commit updates of a table's metadata; the table is then as the catalog answered. Raises what the catalog does.

    A Transaction would do it, but makes its own updates, and tries again by its own rules.
    """
    table._do_commit(updates, requirements)


def can_hold(schema: Schema, condition: BooleanExpression) -> Callable[[DataFile], bool]:
    """Return what says whether a file's statistics allow rows for which `condition` holds. A scan does not tell."""
    return _InclusiveMetricsEvaluator(schema, condition).eval


def rest_catalog(name: str, properties: Properties, *, timeout: tuple[float, float]) -> Catalog:
    """Return a REST catalog that waits at most `timeout` seconds to connect, and for an answer. It has no option."""
    from pyiceberg.catalog.rest import RestCatalog  # late: not every lake has one

    class Timed(RestCatalog):
        def _create_session(self) -> Session:
            session = super()._create_session()
            session.request = functools.partial(session.request, timeout=timeout)  # type: ignore[method-assign]
            return session

    return Timed(name, **properties)


class DeleteManifestWriter(ManifestWriterV2):
    """Writes a manifest of delete files; pyiceberg's own writers write those of data files."""

    def content(self) -> ManifestContent:
        """Say what the manifest lists."""
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}

    def _with_partition(self, format_version: TableVersion) -> Schema:
        """Return the schema of the manifest's entries, with ids of key columns in 32 bits.

        pyiceberg 0.12 declares 64: against the specification, and Trino then fails to read the table.
        """
        entry = super()._with_partition(format_version)
        return Schema(*(_with_int_ids(field) if field.name == "data_file" else field for field in entry.fields))


def _with_int_ids(data_file: NestedField) -> NestedField:
    ids = ListType(element_id=136, element_type=IntegerType(), element_required=True)
    fields = cast(StructType, data_file.field_type).fields
    changed = (
        field.model_copy(update={"field_type": ids}) if field.field_id == EQUALITY_IDS else field for field in fields
    )
    return data_file.model_copy(update={"field_type": StructType(*changed)})


class LoadSnapshot(_FastAppendFiles):
    """Makes the snapshot of a change on top of the table's current one; `staged`: without making it current."""

    def __init__(
        self, transaction: Transaction, change: Change, properties: Mapping[str, str], *, staged: bool
    ) -> None:
        """Decide the operation. Nothing is written before `updates`."""
        parent = transaction.table_metadata.current_snapshot()
        removes = bool(change.deletes) or (change.replaces and parent is not None)
        operation = (Operation.OVERWRITE if change.data else Operation.DELETE) if removes else Operation.APPEND
        super().__init__(
            operation,
            transaction,
            transaction._table.io,
            snapshot_properties=dict(properties),
            branch=None if staged else MAIN_BRANCH,
        )
        self._change = change
        self._added_data_files = [_counted(file) for file in (*change.data, *change.deletes)]

    def updates(self) -> UpdatesAndRequirements:
        """Write the manifests; return what is to be committed, on condition that the current snapshot stays."""
        updates, _ = self._commit()
        return updates, (AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=self._parent_snapshot_id),)  # type: ignore[call-arg]

    def clean(self) -> None:
        """Delete what was written for a commit that certainly failed."""
        self._clean_all_uncommitted()

    def _manifests(self) -> list[ManifestFile]:
        data = self._added(self, self._change.data)
        deletes = self._added(_Deletes(self), self._change.deletes)
        older = self._existing_manifests()
        if self._change.replaces:
            return [*data, *deletes, *self._removed(older)]
        data += [each for each in older if each.content == ManifestContent.DATA]
        deletes += [each for each in older if each.content == ManifestContent.DELETES]
        return [*self._merged(self, data), *self._merged(_Deletes(self), deletes)]

    def _added(self, manifests: LoadSnapshot | _Deletes, files: Sequence[DataFile]) -> list[ManifestFile]:
        """Return the manifests of new files: one for each spec that files were written for."""
        written = []
        for spec_id in sorted({file.spec_id for file in files}):
            with manifests.new_manifest_writer(self.spec(spec_id)) as writer:
                for file in files:
                    if file.spec_id == spec_id:
                        writer.add(self._entry(file))
            written.append(writer.to_manifest_file())
        return written

    def _entry(self, file: DataFile) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED,
            snapshot_id=self._snapshot_id,
            sequence_number=None,  # inherited: that of this snapshot
            file_sequence_number=None,
            data_file=file,
        )

    def _removed(self, older: Sequence[ManifestFile]) -> list[ManifestFile]:
        """Return manifests that mark every live file of `older` as deleted, data and delete files apart."""
        groups: dict[tuple[ManifestContent, int], list[ManifestEntry]] = defaultdict(list)
        for manifest in older:
            groups[manifest.content, manifest.partition_spec_id] += self.fetch_manifest_entry(manifest)
        written = []
        for (content, spec_id), entries in groups.items():
            if not entries:
                continue
            manifests = self if content == ManifestContent.DATA else _Deletes(self)
            with manifests.new_manifest_writer(self.spec(spec_id)) as writer:
                for entry in entries:
                    writer.delete(entry)
            written.append(writer.to_manifest_file())
            self._deleted_data_files.update(_counted(entry.data_file) for entry in entries)
        return written

    def _merged(self, manifests: LoadSnapshot | _Deletes, files: list[ManifestFile]) -> list[ManifestFile]:
        properties = self._transaction.table_metadata.properties
        merger: _ManifestMergeManager[Any] = _ManifestMergeManager(
            target_size_bytes=int(properties.get("commit.manifest.target-size-bytes", 8 << 20)),
            min_count_to_merge=int(properties.get("commit.manifest.min-count-to-merge", 100)),
            merge_enabled=properties.get("commit.manifest-merge.enabled") == "true",
            snapshot_producer=manifests,  # type: ignore[arg-type]
        )
        return merger.merge_manifests(files)


class ProgressSnapshot(LoadSnapshot):
    """Lists the files of a load that is not committed yet, and none of the table's."""

    def _manifests(self) -> list[ManifestFile]:
        return self._added(self, self._change.data)


def _counted(file: DataFile) -> DataFile:
    """Return a file as the summary counts it: pyiceberg would name its partition by the default spec, not its own."""
    bare = DataFile(*(file[number] for number in range(len(file))))
    bare[_PARTITION] = Record()
    bare.spec_id = file.spec_id
    return bare


class _Deletes:
    """The same snapshot, writing manifests of delete files."""

    def __init__(self, snapshot: LoadSnapshot) -> None:
        self._snapshot = snapshot
        self.snapshot_id = snapshot.snapshot_id
        self.spec = snapshot.spec
        self.fetch_manifest_entry = snapshot.fetch_manifest_entry

    def new_manifest_writer(self, spec: PartitionSpec) -> ManifestWriter:
        """Return a writer for a new manifest."""
        snapshot = self._snapshot
        if snapshot._transaction.table_metadata.format_version < 2:
            raise ValueError("a table of format 1 has no delete files: upgrade it (format-version 2), or append")
        return DeleteManifestWriter(
            spec, snapshot.schema(), snapshot.new_manifest_output(), snapshot.snapshot_id, snapshot._compression
        )
