"""What keeps the raw tables small and quick to read: compaction, expiry of old snapshots, removal of orphaned files."""

import dagster as dg

from headwater_dagster.defs.maintenance.jobs import maintain_lake
from headwater_dagster.defs.maintenance.schedules import every_night

definitions = dg.Definitions(jobs=[maintain_lake], schedules=[every_night])
