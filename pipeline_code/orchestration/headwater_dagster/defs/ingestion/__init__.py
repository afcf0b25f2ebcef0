"""From the shop's tables to the raw change logs of the lake."""

import dagster as dg

from headwater_dagster.defs.ingestion.assets import ingest_shop, shop_tables
from headwater_dagster.defs.ingestion.checks import raw_streams_have_rows
from headwater_dagster.defs.ingestion.resources import IngestionJobs, Lake

definitions = dg.Definitions(
    assets=[*shop_tables, ingest_shop],
    asset_checks=[raw_streams_have_rows],
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
