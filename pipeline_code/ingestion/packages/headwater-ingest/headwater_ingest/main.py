"""Command line: `headwater-ingest [--streams a,b] [--full-refresh]`, or `headwater-ingest --reads-for SHARE`.

Started by Dagster it reports an asset materialization for each stream through Pipes; otherwise it only logs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, PipesContext, open_dagster_pipes
from headwater_contracts import ContractError, read_sources
from headwater_contracts.files import ROOT_VARIABLE, root

from headwater_ingest.logs import LogLine
from headwater_ingest.run import Finding, Request, StreamResult, run

CHECK = "contract"
"""Name of the asset check in Dagster."""
WANTED = "headwater/readers"
"""Key of the message to Dagster that asks for pods."""
PROGRESS = "headwater/progress"
"""Key of the message to Dagster that says how far a long read has come."""
NEEDS_A_PERSON = 65
"""Exit status of a run that would fail again in the same way; Dagster does not repeat it. EX_DATAERR of sysexits.h."""


def parse_arguments(arguments: Sequence[str]) -> Request:
    """Return the request of a command line; exits with 2 and a usage line if it is none."""
    parser = argparse.ArgumentParser(prog="headwater-ingest", description="Replicate a source into Iceberg.")
    parser.add_argument("--streams", default="", help="comma-separated streams; all of the tap's if not given")
    parser.add_argument("--full-refresh", action="store_true", help="ignore the state: read and replace everything")
    parser.add_argument("--tap", default="tap-shop", help="extractor in meltano.yml (default: %(default)s)")
    parser.add_argument("--target", default="target-iceberg", help="loader in meltano.yml (default: %(default)s)")
    parser.add_argument("--reads-for", metavar="SHARE", help="only read for the run that shares its large tables so")
    options = parser.parse_args(arguments)
    if options.reads_for is not None and (options.streams or options.full_refresh):
        parser.error(
            "--reads-for takes no --streams and no --full-refresh: the run that it reads for says what to read"
        )
    streams = tuple(name for item in options.streams.split(",") if (name := item.strip()))
    contracts = contracts_of(options.tap) if options.reads_for is None else {}
    return Request(options.tap, options.target, streams, options.full_refresh, contracts, options.reads_for)


def contracts_of(tap: str) -> dict[str, str]:
    """Return stream → file of its contract, for the streams of a tap; none where there is no folder of contracts.

    A contract that can't be read is the target's to name: it fails that stream, not all.
    """
    if not os.environ.get(ROOT_VARIABLE):
        return {}
    try:
        sources = read_sources(root())
    except ContractError:
        return {}
    return {each.stream: each.file for source in sources if source.tap == tap for each in source.streams}


@contextlib.contextmanager
def dagster() -> Iterator[PipesContext | None]:
    """Yield the Pipes context, or None when Dagster did not start this process."""
    if DAGSTER_PIPES_CONTEXT_ENV_VAR not in os.environ:
        yield None
        return
    with open_dagster_pipes() as context:
        yield context


def materialize(context: PipesContext, result: StreamResult) -> None:
    """Report a stream as asset raw/<stream>, unless Dagster asked for other assets only."""
    key = f"raw/{result.stream}"
    if key not in context.asset_keys:
        return
    context.report_asset_materialization(
        asset_key=key,
        metadata={
            "rows": result.rows,
            "snapshot_id": str(result.snapshot_id),  # 64 bits are more than a JSON number keeps
            "seconds": round(result.seconds, 3),
            "table": result.table,
            "files": result.files,
            "bytes": result.bytes,
            "quarantined": result.quarantined,
            "contract": result.contract if result.contract is not None else "none",
        },
    )


def check(context: PipesContext, stream: str, contract: str | None, findings: Sequence[Finding]) -> None:
    """Report the asset check `contract` of a stream: it passes where nothing deviates."""
    key = f"raw/{stream}"
    if key not in context.asset_keys:
        return
    described = [f"- **{each.severity}** {each.message}. {each.decision}." for each in findings]
    context.report_asset_check(
        check_name=CHECK,
        asset_key=key,
        passed=not findings,
        severity="WARN" if all(each.severity == "warn" for each in findings) else "ERROR",
        metadata={
            "findings": {"raw_value": "\n".join(described) if described else "none", "type": "md"},
            "contract": contract if contract is not None else "none",
        },
    )


def ask(context: PipesContext | None, wanted: Mapping[str, Any]) -> None:
    """Tell Dagster how many pods the tap would like to have, and for which share; alone the tap reads on as well."""
    if context is not None:
        context.report_custom_message({WANTED: dict(wanted)})
    show(f"a table is large enough for {wanted['pods']} more pods, with --reads-for {wanted['share']}")


def pass_on(context: PipesContext | None, event: LogLine) -> None:
    """Print a line of Meltano's log; Dagster hears in a message of its own how far a long read has come."""
    show(str(event))
    if context is not None and event.progress is not None:
        context.report_custom_message({PROGRESS: event.progress})


def show(line: str) -> None:
    """Print a line at once: Dagster and kubectl follow the log."""
    print(line, flush=True)


def main() -> None:
    """Run; if any stream failed, say why on standard error and exit with 1, or NEEDS_A_PERSON."""
    request = parse_arguments(sys.argv[1:])
    with dagster() as context:
        result = run(request, lambda event: pass_on(context, event), lambda wanted: ask(context, wanted))
        for stream in result.streams:
            show(f"{stream.table}: {stream.rows} rows in {stream.seconds:.1f} s, snapshot {stream.snapshot_id}")
            if context is not None:
                materialize(context, stream)
                check(context, stream.stream, stream.contract, stream.findings)
        for failed in result.failed:
            if context is not None:
                check(context, failed.stream, failed.contract, failed.findings)
        found = [each for stream in result.streams for each in stream.findings]
        for each in found + [each for stream in result.failed for each in stream.findings]:
            show(f"{each.severity.upper()}: {each.message}. {each.decision}.")
        if result.failure is not None:
            print(f"ingestion failed: {result.failure}", file=sys.stderr, flush=True)
    sys.exit(0 if result.failure is None else NEEDS_A_PERSON if result.needs_a_person else 1)


if __name__ == "__main__":
    main()
