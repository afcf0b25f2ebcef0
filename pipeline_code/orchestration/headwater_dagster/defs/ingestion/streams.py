"""The sources and their streams, as their contracts say, and the keys of their assets."""

import os
from functools import cache

import dagster as dg
from headwater_contracts import Contract, Source, read_sources
from headwater_contracts.files import root

UNCONNECTED = "HEADWATER_UNCONNECTED_SOURCES"


@cache
def sources() -> tuple[Source, ...]:
    """Return all sources, by name: one folder each below HEADWATER_CONTRACTS."""
    return read_sources(root())


def unconnected() -> frozenset[str]:
    """Return the names of the sources that this stack does not read: blanks stand between them in UNCONNECTED.

    A name without contracts is nothing to leave out.
    """
    return frozenset(os.environ.get(UNCONNECTED, "").split())


def connected() -> tuple[Source, ...]:
    """Return the sources that this stack reads: only these have steps, checks and sensors."""
    return tuple(source for source in sources() if source.name not in unconnected())


@cache
def source_of_table() -> dict[str, str]:
    """Return table in `raw` → name of its source."""
    return {stream.table: source.name for source in sources() for stream in source.streams}


def source_key(stream: Contract) -> dg.AssetKey:
    """What the source has: shop/orders; stripe/charges is stream stripe_charges."""
    return dg.AssetKey([stream.source, stream.table.removeprefix(f"{stream.source}_") or stream.table])


def raw_key(table: str) -> dg.AssetKey:
    """The change log in the lake."""
    return dg.AssetKey(["raw", table])
