"""Command line beside the target's own: what the tables say.

target-iceberg-tables positions [STREAM …] {stream: bookmark} of these, or of all, as a tap's `positions_file` wants it;
                                           a run that was killed while it published is completed first
target-iceberg-tables orphans [--delete]   data and delete files of failed loads, one a line
target-iceberg-tables contract STREAM      a contract that agrees with the stream's table, as YAML
target-iceberg-tables replay STREAM        rows of the quarantine once more, those that fit by now into their table
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from headwater_contracts import table_name
from headwater_contracts.files import ROOT_VARIABLE
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.table import Table

from target_iceberg.commit.publish import complete, note_rollback
from target_iceberg.files.orphans import orphans
from target_iceberg.lake import connect
from target_iceberg.rows.values import json_text
from target_iceberg.state.position import read_position

PARALLEL_REQUESTS = 8


def tables(catalog: Catalog, namespace: str) -> Iterator[Table]:
    """Yield the tables of a namespace; none if it does not exist yet."""
    try:
        names = catalog.list_tables(namespace)
    except NoSuchNamespaceError:
        return
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        yield from pool.map(catalog.load_table, names)


def tables_of(catalog: Catalog, namespace: str, streams: Sequence[str]) -> Iterator[Table]:
    """Yield the tables of these streams, those that are there."""

    def load(stream: str) -> Table | None:
        try:
            return catalog.load_table((namespace, table_name(stream)))
        except (NoSuchNamespaceError, NoSuchTableError):
            return None

    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        yield from (table for table in pool.map(load, streams) if table is not None)


def positions(catalog: Catalog, namespace: str, streams: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the bookmark of each stream that has been loaded, of `streams` or of all.

    What a run had begun to publish when it ended is published first: readers then see all of it, and the next run
    begins after it.
    """
    chosen = list(tables_of(catalog, namespace, streams) if streams else tables(catalog, namespace))
    complete(catalog, chosen)
    found = (read_position(table.metadata) for table in chosen)
    return {position.stream: position.bookmark for position in found if position is not None}


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(prog="target-iceberg-tables", description="What the tables of a target say.")
    # The same variables by which Meltano sets the target.
    catalog = os.environ.get("TARGET_ICEBERG_CATALOG", "lake")
    namespace = os.environ.get("TARGET_ICEBERG_NAMESPACE", "raw")
    parser.add_argument("--catalog", default=catalog, help="name in pyiceberg's configuration (default: %(default)s)")
    parser.add_argument("--namespace", default=namespace, help="namespace of the tables (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    asking = commands.add_parser("positions", help="where each stream stands, as JSON")
    asking.add_argument("streams", nargs="*", help="all if none is given")
    cleaning = commands.add_parser("orphans", help="data files of failed loads, and what else died midway")
    cleaning.add_argument("--delete", action="store_true", help="delete them")
    writing = commands.add_parser("contract", help="a contract that agrees with the stream's table, as YAML")
    writing.add_argument("stream")
    again = commands.add_parser("replay", help="try the rows that are set aside once more")
    again.add_argument("stream")
    options = parser.parse_args()
    lake = connect(options.catalog)
    if options.command == "positions":
        sys.stdout.write(json_text(positions(lake, options.namespace, options.streams)))
        return
    if options.command == "contract":
        from headwater_contracts.render import render

        from target_iceberg.rows.contract import proposed

        for table in tables_of(lake, options.namespace, [options.stream]):
            position = read_position(table.metadata)
            bookmark = {} if position is None else position.bookmark
            sys.stdout.write(render(proposed(options.stream, table.schema(), bookmark.get("replication_key"))))
        return
    if options.command == "replay":
        from target_iceberg.quarantine.replay import replay
        from target_iceberg.rows.contract import contract_of

        contract = contract_of(os.environ.get(ROOT_VARIABLE), options.stream)
        print(f"{options.stream}: {replay(lake, options.namespace, options.stream, contract.deletes)}")
        return
    from target_iceberg.quarantine.replay import finish

    for table in tables(lake, options.namespace):
        note_rollback(table)
        if options.delete:
            finish(lake, options.namespace, table)
        for location in orphans(table):
            print(location, flush=True)
            if options.delete:
                table.io.delete(location)


if __name__ == "__main__":
    main()
