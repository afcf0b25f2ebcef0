"""The services that keep their state in the platform's database: each has a database and a role with its own name."""

from __future__ import annotations

SERVICES = ("dagster", "superset", "catalog", "meltano")
