"""The pipeline as a whole: its job, and what starts it."""

import dagster as dg

from headwater_dagster.defs.ingestion.streams import connected
from headwater_dagster.defs.pipeline.jobs import petco_pipeline
from headwater_dagster.defs.pipeline.schedules import every_15_minutes
from headwater_dagster.defs.pipeline.sensors import SHOP, shop_has_new_rows

definitions = dg.Definitions(
    jobs=[petco_pipeline],
    schedules=[every_15_minutes],
    sensors=[shop_has_new_rows] if SHOP in {source.name for source in connected()} else [],
    # Within the run's process: the default would import everything anew for every step, 6 CPU-s each.
    executor=dg.in_process_executor,
)
