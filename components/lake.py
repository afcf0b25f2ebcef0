"""The names in the lake: its layers, who writes them, who reads them, and where they are in its bucket.

Storage, catalog and Trino derive their permissions from these. `pipeline_code/transformation/dbt_project.yml` builds
the same layers; a test compares them.
"""

from __future__ import annotations

# The name under which Trino, pyiceberg and dbt know the lake's catalog.
LAKE = "lake"

# What ingestion writes, and what dbt builds from it: each layer is a schema of the catalog.
RAW = "raw"
INGESTED = (RAW,)
BUILT = ("staging", "intermediate", "marts", "snapshots")
LAYERS = (*INGESTED, *BUILT)
# What dashboards read.
SERVED = "marts"

# Who reads and writes objects, each with keys or an identity of its own.
CONSUMERS = ("trino", "ingestion", "catalog")

# Who logs in to Trino. Ingestion and the sources never ask it, so they have no login.
ADMIN, PIPELINE, DASHBOARDS, DEVELOPER = "admin", "dbt", "superset", "developer"
USERS = (ADMIN, PIPELINE, DASHBOARDS, DEVELOPER)

# Folders of the bucket: the tables; files of sources that are no databases (`make source add=./folder`); and what
# Trino keeps of fault-tolerant queries until they end.
WAREHOUSE = "warehouse"
FILES = "files/"
EXCHANGE = "exchange"


def warehouse(bucket: str) -> str:
    """Return the root of the lake's tables, as a URL of the bucket."""
    return f"s3://{bucket}/{WAREHOUSE}"
