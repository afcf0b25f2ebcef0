"""Where Superset keeps data that several of its processes share: a Redis for results, limits, and the queue of queries.

Environment: SUPERSET_CACHE_HOST, SUPERSET_CACHE_PORT, SUPERSET_CACHE_PASSWORD (letters and digits, so a URL needs no
quoting); SUPERSET_WORKERS, how many queries of SQL Lab the workers run at once: with 0 the web server runs them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Databases of the one Redis.
QUEUE, ANSWERS, RESULTS, LIMITS = range(4)
# The longest query of a worker: longer than Trino gives dashboards, shorter than a pod has to end.
QUERY_SECONDS = 600
RESULT_SECONDS = 3600
# A cache that does not answer must not hold up a page.
TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class Settings:
    """A Redis, by host, port and password."""

    host: str
    port: int
    password: str = field(repr=False)

    def url(self, database: int) -> str:
        """Return the URL of one of the databases."""
        return f"redis://:{self.password}@{self.host}:{self.port}/{database}"

    def flask_caching(self, prefix: str, seconds: int) -> dict[str, Any]:
        """Return the settings of a cache whose entries live so long."""
        return {
            "CACHE_TYPE": "RedisCache",
            "CACHE_REDIS_HOST": self.host,
            "CACHE_REDIS_PORT": self.port,
            "CACHE_REDIS_PASSWORD": self.password,
            "CACHE_REDIS_DB": ANSWERS,
            "CACHE_KEY_PREFIX": prefix,
            "CACHE_DEFAULT_TIMEOUT": seconds,
            "CACHE_OPTIONS": {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS},
        }

    def results(self) -> Any:
        """Return where workers leave the rows of a query."""
        from flask_caching.backends.rediscache import RedisCache

        return RedisCache(
            host=self.host, port=self.port, password=self.password, db=RESULTS, default_timeout=RESULT_SECONDS,
            key_prefix="results-",
        )  # fmt: skip

    def celery(self) -> type:
        """Return Celery's configuration: the queue is here, and there is nothing to do by the clock."""

        class CeleryConfig:
            broker_url = self.url(QUEUE)
            result_backend = self.url(QUEUE)
            broker_connection_retry_on_startup = True
            imports = ("superset.sql_lab",)
            worker_prefetch_multiplier = 1
            task_acks_late = False
            # Superset's own limits for this task are six hours.
            task_annotations: Mapping[str, Any] = {
                "sql_lab.get_sql_results": {"soft_time_limit": QUERY_SECONDS, "time_limit": QUERY_SECONDS + 60}
            }
            result_expires = RESULT_SECONDS
            beat_schedule: Mapping[str, Any] = {}

        return CeleryConfig


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the variables; a KeyError names a missing one."""
    return Settings(
        environment["SUPERSET_CACHE_HOST"],
        int(environment["SUPERSET_CACHE_PORT"]),
        environment["SUPERSET_CACHE_PASSWORD"],
    )


def runs_queries_in_workers(environment: Mapping[str, str]) -> bool:
    """Say whether there are workers for SQL Lab's queries."""
    return int(environment.get("SUPERSET_WORKERS", "0")) > 0
