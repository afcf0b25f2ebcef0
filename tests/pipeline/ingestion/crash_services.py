"""A pipeline whose catalog or object store dies at a chosen request, and what has to be true after the next run."""

from __future__ import annotations

from crash_log import Log
from crash_processes import Outcome
from relay import Cut
from services import Services

COMMIT = "POST .*/tables/(items|orders)$"
"""In a run of two tables: 1 and 2 stage, 3 publishes the anchor, 4 the other one."""
DATA, METADATA = "PUT .*/data/", "PUT .*/metadata/"
REST = "pyiceberg.catalog.rest:RestCatalog"


def survive(log: Log, services: Services, cut: Cut, at: str) -> Outcome:
    """Let a run be cut off; check after the next one. Returns how the first ended."""
    log.change()
    relay = services.catalog if at == "catalog" else services.store
    relay.cut = cut
    outcome = log.run()
    try:
        assert cut.reached.is_set(), f"never reached\n{outcome.log}"
        services.ensure()
        log.check_all_or_none()
        after = log.run()
        assert after.complete, f"the next run failed\n{after.log}"
        log.check()
    except AssertionError as error:
        raise AssertionError(f"{at} {cut}: {error}") from error
    return outcome
