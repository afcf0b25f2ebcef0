"""From the sources to the raw change logs of the lake: the same definitions for each connected source."""

import dagster as dg

from headwater_dagster.defs.ingestion.assets import ingestion_of, source_assets
from headwater_dagster.defs.ingestion.checks import check_of
from headwater_dagster.defs.ingestion.resources import IngestionJobs, Lake
from headwater_dagster.defs.ingestion.streams import connected

definitions = dg.Definitions(
    assets=[
        *(asset for source in connected() for asset in source_assets(source)),
        *(ingestion_of(source) for source in connected()),
    ],
    asset_checks=[check_of(source) for source in connected()],
    resources={
        "ingestion": IngestionJobs(namespace=dg.EnvVar("HEADWATER_NAMESPACE")),
        "lake": Lake(
            host=dg.EnvVar("TRINO_HOST"),
            port=dg.EnvVar("TRINO_PORT"),
            user=dg.EnvVar("TRINO_USER"),
            catalog=dg.EnvVar("LAKE_CATALOG"),
        ),
    },
)
