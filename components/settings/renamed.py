"""Settings that were renamed: an older stack file gets an error with the new name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from components.settings.base import PROJECT

NEW_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "storage.memory": "sizes.minio.memory_limit",
        "catalog.memory": "sizes.catalog.memory_limit",
        "database.memory": "sizes.postgres.memory_limit",
        "ingestion.memory": "sizes.ingestion.memory_limit",
        "ingestion.cpu": "sizes.ingestion.cpu",
        "orchestration.webserver_memory": "sizes.dagster_webserver.memory_limit",
        "orchestration.daemon_memory": "sizes.dagster_daemon.memory_limit",
        "orchestration.code_memory": "sizes.dagster_code.memory_limit",
        "dashboards.memory": "sizes.superset.memory_limit",
        "dashboards.worker_memory": "sizes.superset_worker.memory_limit",
        "dashboards.cache.memory": "sizes.cache.memory_limit",
    }
)
"""The new path of each setting, by its old one."""


def hint(path: str, value: object) -> str | None:
    """Return what the unknown setting at `path` is called now; None where it never had another name.

    Of a section that is gone as a whole (`orchestration`), each setting in it is named.
    """
    if path in NEW_NAMES:
        return f"it is called {PROJECT}:{NEW_NAMES[path]} now"
    inside = value if isinstance(value, Mapping) else {}
    moved = [each for each in (f"{path}.{key}" for key in inside) if each in NEW_NAMES]
    return "; ".join(f"{old} is called {PROJECT}:{NEW_NAMES[old]} now" for old in moved) or None
