"""All definitions of the code location; `dagster api grpc -m headwater_dagster.definitions` serves them."""

import dagster as dg

from headwater_dagster.defs import dashboards, ingestion, maintenance, operations, pipeline, transformation

defs = dg.Definitions.merge(
    ingestion.definitions,
    transformation.definitions,
    dashboards.definitions,
    pipeline.definitions,
    operations.definitions,
    maintenance.definitions,
)
