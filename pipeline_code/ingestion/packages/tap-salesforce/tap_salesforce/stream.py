"""One object as a Singer stream."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from headwater_tap.announced import AnnouncedStream
from headwater_tap.overlap import Sent

from tap_salesforce import reading
from tap_salesforce.api import RefusedError, Salesforce
from tap_salesforce.columns import (
    DELETED,
    KEY,
    REPLICATION_KEY,
    Column,
    columns_of,
    moment,
    record_of,
    schema_of,
)
from tap_salesforce.window import Bookmark, Window, window

if TYPE_CHECKING:
    from tap_salesforce.tap import TapSalesforce


class SalesforceStream(AnnouncedStream):
    """Reads an object's changes, deletions included. State advances only when all of them were read."""

    def __init__(
        self, tap: TapSalesforce, api: Salesforce, name: str, entity: str, columns: tuple[Column, ...]
    ) -> None:
        """Describe the object; `columns` are the fields that may be read."""
        self._api = api
        self._entity = entity
        self._columns = columns
        self.positions = tap.positions
        super().__init__(tap, schema=schema_of(columns), name=name)
        self.primary_keys = [KEY]
        self.replication_key = REPLICATION_KEY

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the records that changed since the last run; advance the bookmark after the last."""
        limits = self._api.limits()
        before = Bookmark.from_state(self.stream_state) if self.replication_method == "INCREMENTAL" else None
        overlap = dt.timedelta(seconds=self.config["overlap_seconds"])
        first = self.config.get("start_date")
        read = window(
            before,
            moment(first) if first is not None else None,
            limits.at,
            settle=dt.timedelta(seconds=self.config["settle_seconds"]),
            overlap=overlap,
        )
        if read.is_empty:
            self.finish(None)
            return
        sent = Sent(int((read.end - overlap).timestamp()), {} if before is None else before.seen)
        skipped = 0
        for record in self._changes(read, before, limits.jobs_left):
            changed = moment(record[REPLICATION_KEY])
            if not read.holds(changed) or (before is not None and before.has_sent(record[KEY], changed)):
                skipped += 1
                continue
            sent.add(record[KEY], int(changed.timestamp()))
            yield record
        if skipped:
            self.logger.info("%s: %d records of the overlap were sent by the run before", self.name, skipped)
        bookmark = Bookmark(read.end, sent.seen())
        self.finish(bookmark.to_state() if self.replication_method == "INCREMENTAL" else None)

    def _changes(self, read: Window, before: Bookmark | None, jobs_left: int) -> Iterator[dict[str, Any]]:
        columns = self._readable(self._columns)
        try:
            rows = self._rows(columns, read, before, jobs_left)
            first = next(rows, None)
        except RefusedError as error:
            if error.code != "INVALID_FIELD":
                raise
            # A permission was taken away since the fields were described.
            columns = self._readable(columns_of(self._api.describe(self._entity)))
            rows = self._rows(columns, read, before, jobs_left)
            first = next(rows, None)
        if first is not None:
            yield record_of(columns, first)
            for row in rows:
                yield record_of(columns, row)

    def _rows(
        self, columns: tuple[Column, ...], read: Window, before: Bookmark | None, jobs_left: int
    ) -> Iterator[reading.Row]:
        # Nothing that the first run reads was ever loaded: it can do without the deleted.
        deleted = before is not None and any(each.name == DELETED for each in columns)
        query = reading.Query(self._entity, tuple(each.name for each in columns), read.condition(), deleted)
        many = reading.count(self._api, query) >= self.config["bulk_threshold"]
        if (many and jobs_left > 0) or not reading.fits_url(query):
            yield from reading.by_job(
                self._api,
                query,
                poll_s=self.config["bulk_poll_seconds"],
                longest_s=self.config["bulk_timeout_seconds"],
                logger=self.logger,
            )
        else:
            yield from reading.by_pages(self._api, query)

    def _readable(self, visible: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the selected columns that are visible, and say which are not; key and time are always read."""
        catalogued = self.effective_schema["properties"]
        names = {each.name for each in visible}
        wanted = {each.name for each in self._columns} | (set(catalogued) - {"_sdc_deleted_at"})
        for name in sorted(wanted - names):
            self.logger.warning(
                "%s: field %s.%s is left out: the user may not see it. Grant Read on the field, or deselect it.",
                self.name, self._entity, name,
            )  # fmt: skip
        always = {KEY, REPLICATION_KEY, DELETED}
        return tuple(
            each
            for each in visible
            if each.name in always or (each.name in catalogued and self.mask.get(("properties", each.name), True))
        )
