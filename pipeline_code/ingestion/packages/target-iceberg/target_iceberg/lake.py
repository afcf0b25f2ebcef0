"""The connection to the lake: its catalog, and how patiently its object store is asked."""

from __future__ import annotations

from pyarrow.fs import AwsStandardS3RetryStrategy
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.io import S3_RETRY_STRATEGY_IMPL

ATTEMPTS = 6
"""With pyarrow's own 3, a store that restarts within a second could end a run. The waits between 6 add up to 15 s on
average, 31 s at most: each is a random part of a second, doubled from one to the next."""


class Patience(AwsStandardS3RetryStrategy):  # type: ignore[misc]
    """Asks the store again where it does not answer, says 5xx, or that it is asked too often."""

    def __init__(self) -> None:
        """Take no argument: pyiceberg makes it by name."""
        super().__init__(max_attempts=ATTEMPTS)


def connect(catalog: str) -> Catalog:
    """Return the catalog of that name in pyiceberg's configuration."""
    return load_catalog(catalog, **{S3_RETRY_STRATEGY_IMPL: f"{Patience.__module__}.{Patience.__name__}"})
