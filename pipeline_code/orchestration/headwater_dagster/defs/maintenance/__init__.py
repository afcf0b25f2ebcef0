"""Keeps tables small and quick to read: compaction, expiry of old snapshots, removal of orphaned files."""

import dagster as dg

from headwater_dagster.defs.maintenance.jobs import maintain_lake, maintain_models
from headwater_dagster.defs.maintenance.schedules import every_night, every_night_models

definitions = dg.Definitions(jobs=[maintain_lake, maintain_models], schedules=[every_night, every_night_models])
