"""A run of the target over all its streams, from their first message to their publication."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headwater_contracts import Contract, ContractError
from pyiceberg.catalog import Catalog

from target_iceberg.commit.load import Load
from target_iceberg.commit.publish import together
from target_iceberg.commit.tables import planned_table
from target_iceberg.files.partitioning import Arrangement
from target_iceberg.messages.bookmarks import announced, announces, attempt, bookmark_of, rows_sent, set_bookmark
from target_iceberg.quarantine import rejected as quarantine
from target_iceberg.quarantine.rejected import Rejected
from target_iceberg.rows.contract import contract_of
from target_iceberg.rows.drift import Plan
from target_iceberg.rows.findings import Finding, of_failure
from target_iceberg.rows.intake import Intake
from target_iceberg.rows.mode import WriteMode
from target_iceberg.rows.refusal import Refusal
from target_iceberg.settings import Settings
from target_iceberg.state import open_findings
from target_iceberg.state.position import settled
from target_iceberg.state.report import report, report_failure

logger = logging.getLogger(__name__)


class IncompleteStreamError(RuntimeError):
    """The input ended, or a commit failed, before some streams were complete; the others are loaded."""


class Run:
    """Takes what the streams send; `finish` publishes all together, and the state is let go of only after that."""

    def __init__(self, settings: Settings, catalog: Catalog, loaded_at: dt.datetime) -> None:
        """Begin without a stream. `loaded_at` becomes `_loaded_at` of every row."""
        self.settings, self.catalog, self.loaded_at = settings, catalog, loaded_at
        self.state: dict[str, Any] | None = None
        self._loads: dict[str, Load] = {}
        self._intakes: dict[str, Intake | Refusal] = {}
        self._findings: dict[str, tuple[Finding, ...]] = {}
        self._bookmarks: dict[str, Any] = {}
        self._open_streams: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._run_id = str(uuid.uuid4())

    def intake_for(self, stream: str, schema: Mapping[str, Any], keys: Sequence[str]) -> Intake | Refusal:
        """Return what takes the stream's rows: begun with its first schema, continued with a changed one.

        Where the contract does not allow what the stream has become, that is a Refusal.
        """
        self._bookmarks.setdefault(stream, bookmark_of(self.state, stream))
        known = self._intakes.get(stream)
        contract = Contract("", stream) if known is None else known.contract
        try:
            if known is None:
                contract = contract_of(self.settings.contracts, stream)
                self._check_alone(stream, contract)
            planned = planned_table(self.catalog, self.settings.namespace, contract, schema, keys)
        except ValueError as error:  # ContractError, DriftError, or columns that no table can have
            if isinstance(known, Intake):
                self._loads.pop(stream).discard()
            self._intakes[stream] = Refusal(contract, error)
            return self._intakes[stream]
        if isinstance(known, Intake):
            known.load.evolve(planned.schema)
            known.use(planned)
            return known
        if known is None:
            self._intakes[stream] = Intake(contract, planned, self._load(contract, planned))
        return self._intakes[stream]

    def _check_alone(self, stream: str, contract: Contract) -> None:
        """Raise ContractError where another stream of this run, not refused itself, has the same table."""
        for other, intake in self._intakes.items():
            if isinstance(intake, Intake) and intake.contract.table == contract.table:
                raise ContractError(
                    f"streams {other!r} and {stream!r} would both be table {contract.table}: rename one"
                )

    def _load(self, contract: Contract, planned: Plan) -> Load:
        stream = contract.stream
        before = self._bookmarks[stream]
        self._loads[stream] = Load(
            self.catalog,
            self.settings.namespace,
            contract.table,
            stream=stream,
            run_id=self._run_id,
            loaded_at=self.loaded_at,
            schema=planned.schema,
            start=settled(before) if announces(before) else None,
            mode=WriteMode(contract.write, contract.deletes),
            keys=planned.keys,
            arrangement=Arrangement.of(contract),
        )
        return self._loads[stream]

    # Messages: a stream is open from its data on until a STATE message follows.

    def opens(self, stream: str) -> None:
        """Note that a message with a stream's data has come."""
        self._open_streams.add(stream)

    def take_state(self, state: dict[str, Any]) -> list[str]:
        """Take a STATE message. The state is kept, and changed where a stream turns out not to stand where it says.

        A stream whose tap reads it again from the beginning, in the same run, loses the rows that it has sent so far.
        Returns the names of such streams.
        """
        self.state = state
        self._open_streams.clear()
        restarted = []
        for stream, intake in self._intakes.items():
            intake.expected = rows_sent(bookmark_of(state, stream))
            if (number := attempt(bookmark_of(state, stream))) > self._attempts.get(stream, 1):
                self._attempts[stream] = number
                intake.restart()
                restarted.append(stream)
        return restarted

    def set_aside(self, record: Mapping[str, Any]) -> None:
        """Take a row that a tap could not send, a record of the stream `quarantine`."""
        self._intakes[record["stream"]].set_aside(Rejected.from_record(record))

    def finish(self) -> dict[str, Exception]:
        """Publish what is complete, and report it. Returns why streams failed; `raise_for` says it.

        Streams that are published together are then all as they were before the run, and so are their bookmarks in
        `state`, which is to be emitted now.
        """
        failures: dict[str, Exception] = {}
        for stream in announced(self.state) - set(self._intakes):
            failures[stream] = IncompleteStreamError("the input ended before the stream began")
            set_bookmark(self.state, stream, settled(bookmark_of(self.state, stream)))
        changed = [stream for stream in self._intakes if self._step(stream, self._prepare, failures)]
        together = self.settings.together
        if together and failures:
            for stream in changed:
                self._take_back(stream)
        elif together and len(changed) > 1:
            self._publish_together(changed, failures)
        else:
            for stream in changed:
                self._step(stream, lambda stream: self._loads[stream].commit_prepared(), failures)
        for stream, error in failures.items():
            logger.error("stream %s was not loaded", stream, exc_info=error)
            self._findings[stream] = of_failure(stream, error)
            contract = self._intakes[stream].contract if stream in self._intakes else Contract("", stream)
            report_failure(stream, contract, self._findings[stream])
        for stream, load in self._loads.items():
            if stream not in failures and (stream not in changed or load.done):
                self._report(stream, load)
                if load.replaces:
                    self._forget_quarantine(stream)
        self._record_findings()
        return failures

    def raise_for(self, failures: Mapping[str, Exception]) -> None:
        """Raise IncompleteStreamError if there are failures."""
        if failures:
            reasons = [f"stream {name}: {reason}" for name, reason in failures.items()]
            if self.settings.together and not any(load.done for load in self._loads.values()):
                reasons.append("nothing of this run was published")
            raise IncompleteStreamError("; ".join(reasons))

    def discard(self) -> None:
        """End without a commit."""
        for load in self._loads.values():
            load.discard()

    def _step(self, stream: str, step: Callable[[str], object], failures: dict[str, Exception]) -> bool:
        """Take a step of a stream; note why it failed. Returns whether the step was taken and came to something."""
        try:
            return bool(step(stream))
        except Exception as error:  # one stream's failure must not keep what is done of others back
            failures[stream] = error
            self._take_back(stream)
            return False

    def _prepare(self, stream: str) -> bool:
        """Finish a stream's files. Raises for one that may not be shown; returns whether there is anything to show."""
        intake, state = self._intakes[stream], bookmark_of(self.state, stream)
        if isinstance(intake, Refusal):
            raise intake.reason
        load = intake.load
        if announces(state) or (load.replaces and stream in self._open_streams):
            raise IncompleteStreamError("the input ended before the stream did; its rows were not committed")
        self._findings[stream] = intake.check()
        intake.store_rejected(self.catalog, self.settings.namespace, self._run_id, self.loaded_at)
        return load.prepare(settled(state))

    def _publish_together(self, streams: Sequence[str], failures: dict[str, Exception]) -> None:
        try:
            together([self._loads[stream] for stream in streams])
        except Exception as error:
            for stream in streams:
                if not self._loads[stream].done:
                    failures[stream] = error
                    self._take_back(stream)

    def _take_back(self, stream: str) -> None:
        """Delete what a stream has written for nothing, and go back to where its table stands."""
        if stream in self._loads:
            try:
                self._loads[stream].discard()
            except Exception:  # its files are orphans then; other streams must still be finished
                logger.exception("stream %s: what was written for nothing could not be deleted", stream)
            self._revert_bookmark(stream, self._loads[stream])
        else:
            set_bookmark(self.state, stream, settled(self._bookmarks[stream]))

    def _report(self, stream: str, load: Load) -> None:
        result, intake = load.result(), self._intakes[stream]
        stands = load.position() if not load.done and announces(self._bookmarks[stream]) else None
        if stands is not None and stands != bookmark_of(self.state, stream):
            # Nothing was committed: the next run begins where the table stands.
            set_bookmark(self.state, stream, stands)
        rejected = len(intake.rejected) if isinstance(intake, Intake) else 0
        report(stream, intake.contract, result, rejected, self._findings[stream])
        logger.info(
            "%s: %d rows in %d files, %.1f MB, %.1f s, snapshot %s",
            result.table, result.rows, result.files, result.bytes / 1e6, result.seconds, result.snapshot_id,
        )  # fmt: skip

    def _forget_quarantine(self, stream: str) -> None:
        """Delete what older loads have set aside: a complete read is there, and no replay may bring it back."""
        try:
            quarantine.forget_others(self.catalog, self.settings.namespace, stream, self._run_id)
        except Exception:
            logger.exception(
                "stream %s was read completely; rows that older loads set aside could not be deleted", stream
            )

    def _record_findings(self) -> None:
        """Write down what is open; that it could not be done must not undo what was loaded."""
        try:
            open_findings.record(self.catalog, self.settings.namespace, self._findings, self._run_id)
        except Exception:
            logger.exception("the findings of this run could not be written to the table %s", open_findings.TABLE)

    def _revert_bookmark(self, stream: str, load: Load) -> None:
        """Let go of where the table stands, or, if that can't be told, of the bookmark from before the run."""
        try:
            stands = load.position()
        except Exception:
            logger.exception("stream %s: the table could not be asked where it stands", stream)
            stands = None
        set_bookmark(self.state, stream, settled(self._bookmarks[stream]) if stands is None else stands)
