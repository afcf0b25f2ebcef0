"""The tables that an estimate uses: list prices, and the assumed usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

PRICES = Path(__file__).with_name("prices.yaml")
USAGE = Path(__file__).with_name("usage.yaml")


@dataclass(frozen=True)
class Prices:
    """List prices of one region in USD. as_of: when they were written down. other: the region that lacks a table."""

    usd: Mapping[str, float]
    region: str
    as_of: str
    other: str | None = None

    def of(self, name: str) -> float | None:
        """Return a price; None where the table has none, which is never to be taken for 0."""
        return self.usd.get(name)


@dataclass(frozen=True)
class Usage:
    """How much of the resources is used in a month; units are in the names, the rest in usage.yaml.

    gb: in buckets and into log groups that have their own, by kind and name: `Bucket lake`.
    """

    hours: float
    busy: float
    spot_discount: float
    bucket_gb: float
    bucket_writes: float
    bucket_reads: float
    nat_gb: float
    endpoint_gb: float
    repository_gb: float
    log_gb: float
    kms_requests: float
    key_rotations: float
    load_balancer_units: float
    observations_million: float
    metrics: float
    gb: Mapping[str, float]
    awake: float = 1.0


def prices(region: str, path: Path = PRICES) -> Prices:
    """Return the prices of a region; where it has no table, those of the first one, which then says so.

    Raises ValueError for a price without a number, unit or source.
    """
    table = yaml.safe_load(path.read_text())
    used = region if region in table["regions"] else next(iter(table["regions"]))
    for name, entry in table["regions"][used].items():
        if set(entry) != {"usd", "per", "source"} or not isinstance(entry["usd"], (int, float)) or entry["usd"] <= 0:
            raise ValueError(f"{path.name} {used} {name} is {entry!r}; it needs usd above 0, per and source")
    usd = {name: float(entry["usd"]) for name, entry in table["regions"][used].items()}
    return Prices(usd, used, str(table["as_of"]), None if used == region else region)


def usage(stack: str, path: Path = USAGE) -> Usage:
    """Return the assumptions of a stack. Raises ValueError for a value that is not known or cannot be."""
    table: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())
    allowed = [each.name for each in fields(Usage)]
    for entry, values in table.items():
        for name, value in values.items():
            if name not in allowed:
                raise ValueError(f"{path.name} {entry}.{name} is not known; known: {', '.join(allowed)}")
            for each in value.values() if name == "gb" and isinstance(value, dict) else [value]:
                if not isinstance(each, (int, float)) or each < 0:
                    raise ValueError(f"{path.name} {entry}.{name}={value!r} must be a number, 0 or more")
    own = table.get(stack, {})
    sizes = {**table["default"].get("gb", {}), **own.get("gb", {})}
    return Usage(**{**table["default"], **own, "gb": sizes})
