"""No row is lost or doubled when the catalog or the object store dies, or an answer of theirs is lost.

The platform's own: Iceberg's REST server on PostgreSQL, and MinIO. Read back by DuckDB. `make soak` for all points.
"""

from __future__ import annotations

import pytest
from crash_log import Log
from crash_processes import Fault
from crash_services import COMMIT, DATA, METADATA, REST, survive
from relay import Cut
from services import Services


@pytest.mark.parametrize("served", ["append", "merge"], indirect=True)
def test_catalog_dies_around_a_commit(served: Log, private_services: Services) -> None:
    """A commit that was done or not, and nobody who could say: sent again it doubles rows, else it may lose them."""
    kill = private_services.lake.catalog.kill
    for at, number in {"append": (("work", 2), ("answer", 3)), "merge": (("arrival", 1), ("arrival", 4))}[served.write]:
        outcome = survive(served, private_services, Cut(at, COMMIT, kill, number), "catalog")
        assert not outcome.complete, outcome.log


def test_catalog_that_is_back_at_once_is_asked(served: Log, private_services: Services) -> None:
    """The commit got through, its answer did not: the run goes on as if it had."""
    services = private_services

    def restart() -> None:
        services.lake.catalog.kill()
        services.lake.catalog.start()

    assert survive(served, services, Cut("answer", COMMIT, restart, 3), "catalog").complete


def test_store_dies_in_an_upload(served: Log, private_services: Services) -> None:
    """Half of a file must not become part of a table, nor keep the next run from being right; the reason is told."""
    cut = Cut("midway", DATA, private_services.lake.store.kill)
    outcome = survive(served, private_services, cut, "store")
    assert outcome.target != 0
    assert "OSError: When uploading part" in outcome.log
    assert "During handling of the above exception" not in outcome.log, "what failed later hides the reason"


@pytest.mark.parametrize(("at", "request_"), [("midway", DATA), ("answer", METADATA)], ids=["data", "metadata"])
def test_store_that_comes_back_gets_the_file_again(
    served: Log, private_services: Services, at: str, request_: str
) -> None:
    """A short restart of the object store costs no run."""
    services = private_services
    cut = Cut(at, request_, lambda: services.kill(services.lake.store, 0.5))
    assert survive(served, services, cut, "store").complete


def test_target_dies_between_upload_and_commit(served: Log) -> None:
    """On this catalog the same as on that of the other crash tests: what decides is the commit."""
    served.survive(
        [
            Fault("target", "before", f"{REST}.commit_table"),
            Fault("target", "after", f"{REST}.commit_table", 3),  # published partly
        ]
    )
