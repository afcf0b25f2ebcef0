"""The connection to the lake: how patiently its catalog and its object store are asked."""

from __future__ import annotations

import functools

from pyarrow.fs import AwsStandardS3RetryStrategy
from pyiceberg.catalog import AVAILABLE_CATALOGS, Catalog, CatalogType, load_catalog
from pyiceberg.io import S3_RETRY_STRATEGY_IMPL
from pyiceberg.typedef import Properties

ATTEMPTS = 6
"""With pyarrow's own 3, a store that restarts within a second could end a run. The waits between 6 add up to 15 s on
average, 31 s at most: each is a random part of a second, doubled from one to the next."""
CONNECT_SECONDS, SILENCE_SECONDS = 15, 300
"""How long a REST catalog may take to accept a connection, and how long it may then say nothing: longer than Iceberg's
server itself tries to reach its object store."""


class Patience(AwsStandardS3RetryStrategy):  # type: ignore[misc]
    """Asks the store again where it does not answer, says 5xx, or that it is asked too often."""

    def __init__(self) -> None:
        """Take no argument: pyiceberg makes it by name."""
        super().__init__(max_attempts=ATTEMPTS)


def connect(catalog: str) -> Catalog:
    """Return the catalog of that name in pyiceberg's configuration.

    A REST catalog that falls silent raises requests.Timeout, here and in every later call.
    """
    # pyiceberg sets no timeout: a catalog whose host is gone would hold a run for ever.
    usual, AVAILABLE_CATALOGS[CatalogType.REST] = AVAILABLE_CATALOGS[CatalogType.REST], _rest
    try:
        return load_catalog(catalog, **{S3_RETRY_STRATEGY_IMPL: f"{Patience.__module__}.{Patience.__name__}"})
    finally:
        AVAILABLE_CATALOGS[CatalogType.REST] = usual


def _rest(name: str, properties: Properties) -> Catalog:
    from pyiceberg.catalog.rest import RestCatalog
    from requests import Session

    class Timed(RestCatalog):
        def _create_session(self) -> Session:
            session = super()._create_session()
            limits = (CONNECT_SECONDS, SILENCE_SECONDS)
            session.request = functools.partial(session.request, timeout=limits)  # type: ignore[method-assign]
            return session

    return Timed(name, **properties)
