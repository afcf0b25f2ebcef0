"""The target: settings, and when what is committed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import FrameType
from typing import Any, ClassVar

from headwater_contracts import Contract, ContractError
from pyiceberg.catalog import Catalog, load_catalog
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecReader
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TargetCapabilities

from target_iceberg import open_findings, quarantine
from target_iceberg.bookmarks import announced, announces, attempt, bookmark_of, set_bookmark
from target_iceberg.contract import contract_of
from target_iceberg.drift import Plan
from target_iceberg.findings import DriftError, Finding, of_failure
from target_iceberg.intake import Intake, Refusal
from target_iceberg.load import Load
from target_iceberg.mode import WriteMode
from target_iceberg.position import settled
from target_iceberg.publish import together
from target_iceberg.quarantine import Rejected
from target_iceberg.report import report, report_failure
from target_iceberg.sink import IcebergSink
from target_iceberg.tables import planned_table


class IncompleteStreamError(RuntimeError):
    """The input ended, or a commit failed, before some streams were complete; the others are loaded."""


class TargetIceberg(Target):
    """Publishes all streams' rows together at the end of input, and only then lets go of the Singer state.

    The catalog is pyiceberg's own configuration (PYICEBERG_CATALOG__<NAME>__… or .pyiceberg.yaml).
    """

    name = "target-iceberg"
    package_name = "target-headwater-iceberg"
    default_sink_class = IcebergSink
    message_reader_class = MsgSpecReader
    _MAX_RECORD_AGE_IN_MINUTES = float("inf")  # rows become visible when their stream is complete, not by the clock
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *Target.capabilities,
        PluginCapabilities.BATCH,
        PluginCapabilities.ACTIVATE_VERSION,
        TargetCapabilities.TARGET_SCHEMA,
    ]

    config_jsonschema = th.PropertiesList(
        th.Property("catalog", th.StringType, default="lake", description="Name in pyiceberg's configuration."),
        th.Property("namespace", th.StringType, default="raw", description="Namespace of the tables."),
        th.Property(
            "contracts",
            th.StringType,
            description="Folder of contracts, <source>/<table>.yml; streams without one are loaded with the defaults.",
        ),
        th.Property(
            "publish",
            th.StringType,
            default="together",
            allowed_values=["together", "each"],
            description="together: readers see all streams of a run at once, or none. each: every stream by itself.",
        ),
    ).to_dict()

    def __init__(self, **options: Any) -> None:
        """Take the SDK's options."""
        self._loads: dict[str, Load] = {}
        self._intakes: dict[str, Intake | Refusal] = {}
        self._findings: dict[str, tuple[Finding, ...]] = {}
        self._bookmarks: dict[str, Any] = {}
        self._open_streams: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._run_id = str(uuid.uuid4())
        super().__init__(**options)
        self.max_parallelism = 1  # one stream at a time bounds the memory

    @cached_property
    def iceberg_catalog(self) -> Catalog:
        """The catalog, connected on first use."""
        return load_catalog(self.config["catalog"])

    def intake_for(self, stream: str, schema: Mapping[str, Any], keys: Sequence[str]) -> Intake | Refusal:
        """Return what takes the stream's rows: begun with its first schema, continued with a changed one.

        Where the contract does not allow what the stream has become, that is a Refusal.
        """
        self._bookmarks.setdefault(stream, self._state_of(stream))
        known = self._intakes.get(stream)
        contract = Contract("", stream) if known is None else known.contract
        try:
            if known is None:
                contract = contract_of(self.config.get("contracts"), stream)
            planned = planned_table(self.iceberg_catalog, self.config["namespace"], contract, schema, keys)
        except (ContractError, DriftError) as error:
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

    def _load(self, contract: Contract, planned: Plan) -> Load:
        stream = contract.stream
        before = self._bookmarks[stream]
        self._loads[stream] = Load(
            self.iceberg_catalog,
            self.config["namespace"],
            contract.table,
            stream=stream,
            run_id=self._run_id,
            loaded_at=self._loaded_at,
            schema=planned.schema,
            start=settled(before) if announces(before) else None,
            mode=WriteMode(contract.write, contract.deletes),
            keys=planned.keys,
        )
        return self._loads[stream]

    @cached_property
    def _loaded_at(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.initialized_at / 1000, tz=dt.UTC)

    # Messages: a stream is open from its data on until a STATE message follows.

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        if not quarantine.is_announced(message_dict):
            super()._process_schema_message(message_dict)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        if message_dict["stream"] == quarantine.STREAM:
            record = message_dict["record"]
            self._intakes[record["stream"]].set_aside(Rejected.from_record(record))
            return
        self._open_streams.add(message_dict["stream"])
        super()._process_record_message(message_dict)

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        self._open_streams.add(message_dict["stream"])
        super()._process_batch_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        # Not the SDK's: it would add _sdc columns to mark deleted rows, which a replaced table does not need.
        self._open_streams.add(message_dict["stream"])
        for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
            sink = self.get_sink(stream_map.stream_alias)
            if sink.process_activate_version_messages:
                sink.activate_version(message_dict["version"])

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        self._open_streams.clear()
        for stream in self._intakes:
            if (number := attempt(self._state_of(stream))) > self._attempts.get(stream, 1):
                self._attempts[stream] = number
                self._restart(stream)

    def _restart(self, stream: str) -> None:
        """Forget a stream's rows: its tap reads it from the beginning again, in the same run."""
        for sink in [*self._sinks_to_clear, *self._sinks_active.values()]:
            if sink.stream_name == stream:
                self.drain_one(sink)
        self._intakes[stream].restart()

    def process_endofpipe(self) -> None:
        """Publish what is complete, report it, then emit the state.

        Raises IncompleteStreamError after that if a stream was cut off or could not be committed. Streams that are
        published together are then all as they were before the run, and so are their bookmarks.
        """
        for sink in [*self._sinks_to_clear, *self._sinks_active.values()]:
            self.drain_one(sink)
        failures: dict[str, Exception] = {}
        for stream in announced(self._latest_state) - set(self._intakes):
            failures[stream] = IncompleteStreamError("the input ended before the stream began")
            set_bookmark(self._latest_state, stream, settled(self._state_of(stream)))
        changed = [stream for stream in self._intakes if self._step(stream, self._prepare, failures)]
        together = self.config["publish"] == "together"
        if together and failures:
            for stream in changed:
                self._take_back(stream)
        elif together and len(changed) > 1:
            self._publish_together(changed, failures)
        else:
            for stream in changed:
                self._step(stream, lambda stream: self._loads[stream].commit_prepared(), failures)
        for stream, error in failures.items():
            self.logger.error("stream %s was not loaded", stream, exc_info=error)
            self._findings[stream] = of_failure(stream, error)
            contract = self._intakes[stream].contract if stream in self._intakes else Contract("", stream)
            report_failure(stream, contract, self._findings[stream])
        for stream, load in self._loads.items():
            if stream not in failures and (stream not in changed or load.done):
                self._report(stream, load)
        self._record_findings()
        super().process_endofpipe()
        if failures:
            reasons = [f"stream {name}: {reason}" for name, reason in failures.items()]
            if together and not any(load.done for load in self._loads.values()):
                reasons.append("nothing of this run was published")
            raise IncompleteStreamError("; ".join(reasons))

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
        intake, state = self._intakes[stream], self._state_of(stream)
        if isinstance(intake, Refusal):
            raise intake.reason
        load = intake.load
        if announces(state) or (load.replaces and stream in self._open_streams):
            raise IncompleteStreamError("the input ended before the stream did; its rows were not committed")
        self._findings[stream] = intake.check()
        intake.store_rejected(self.iceberg_catalog, self.config["namespace"], self._run_id, self._loaded_at)
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
            self._loads[stream].discard()
            self._revert_bookmark(stream, self._loads[stream])
        else:
            set_bookmark(self._latest_state, stream, settled(self._bookmarks[stream]))

    def _report(self, stream: str, load: Load) -> None:
        result, intake = load.result(), self._intakes[stream]
        if not load.done and announces(self._bookmarks[stream]) and (stands := load.position()) is not None:
            set_bookmark(
                self._latest_state, stream, stands
            )  # nothing was committed: the next run begins where the table stands
        rejected = len(intake.rejected) if isinstance(intake, Intake) else 0
        report(stream, intake.contract, result, rejected, self._findings[stream])
        self.logger.info(
            "%s: %d rows in %d files, %.1f MB, %.1f s, snapshot %s",
            result.table, result.rows, result.files, result.bytes / 1e6, result.seconds, result.snapshot_id,
        )  # fmt: skip

    def _record_findings(self) -> None:
        """Write down what is open; that it could not be done must not undo what was loaded."""
        try:
            open_findings.record(self.iceberg_catalog, self.config["namespace"], self._findings, self._run_id)
        except Exception:
            self.logger.exception("the findings of this run could not be written to the table %s", open_findings.TABLE)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End without a commit and without a state: the next run starts where this one did."""
        for load in self._loads.values():
            load.discard()
        raise SystemExit(128 + signum)

    # State

    def _state_of(self, stream: str) -> Any:
        return bookmark_of(self._latest_state, stream)

    def _revert_bookmark(self, stream: str, load: Load) -> None:
        """Let go of where the table stands, or, if that can't be told, of the bookmark from before the run."""
        try:
            stands = load.position()
        except Exception:
            self.logger.exception("stream %s: the table could not be asked where it stands", stream)
            stands = None
        set_bookmark(self._latest_state, stream, settled(self._bookmarks[stream]) if stands is None else stands)


if __name__ == "__main__":
    TargetIceberg.cli()
