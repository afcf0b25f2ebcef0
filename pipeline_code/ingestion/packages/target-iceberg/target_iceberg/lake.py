"""The connection to the lake: how long the target waits for catalog and object store, and how often it tries."""

from __future__ import annotations

import functools

from pyarrow.fs import AwsStandardS3RetryStrategy
from pyiceberg.catalog import AVAILABLE_CATALOGS, Catalog, CatalogType, load_catalog
from pyiceberg.io import S3_RETRY_STRATEGY_IMPL

from target_iceberg.pyiceberg_private import rest_catalog

ATTEMPTS = 7
"""With pyarrow's own 3, a store that restarts within a second could end a run. The waits between 7 add up to 29 s on
average, 51 s at most: each is a random part of a second, doubled from one to the next, and of 20 s at most."""
CONNECT_SECONDS, SILENCE_SECONDS = 15, 300
"""How long a REST catalog may take to accept a connection, and how long it may then say nothing: longer than Iceberg's
server itself tries to reach its object store."""


class Patience(AwsStandardS3RetryStrategy):  # type: ignore[misc]
    """Asks the store again where it does not answer, says 5xx, or that it is asked too often.

    Not where a 5xx comes with an error code that the AWS SDK does not know. MinIO has such a code for its first second
    (XMinioServerNotInitialized); the check of readiness keeps clients from it until then.
    """

    def __init__(self) -> None:
        """Take no argument: pyiceberg makes it by name."""
        super().__init__(max_attempts=ATTEMPTS)


def connect(catalog: str) -> Catalog:
    """Return the catalog of that name in pyiceberg's configuration.

    A REST catalog that falls silent raises requests.Timeout, here and in every later call.
    """
    # pyiceberg sets no timeout: a catalog whose host is gone would hold a run for ever.
    impatient = functools.partial(rest_catalog, timeout=(CONNECT_SECONDS, SILENCE_SECONDS))
    usual, AVAILABLE_CATALOGS[CatalogType.REST] = AVAILABLE_CATALOGS[CatalogType.REST], impatient
    try:
        return load_catalog(catalog, **{S3_RETRY_STRATEGY_IMPL: f"{Patience.__module__}.{Patience.__name__}"})
    finally:
        AVAILABLE_CATALOGS[CatalogType.REST] = usual
