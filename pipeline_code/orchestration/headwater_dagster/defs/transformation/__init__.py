"""From raw change logs to marts."""

import json

import dagster as dg

from headwater_dagster.dbt_groups import groups
from headwater_dagster.defs.ingestion.streams import source_of_table
from headwater_dagster.defs.transformation import project
from headwater_dagster.defs.transformation.assets import models_of

_manifest = json.loads(project.project().manifest_path.read_text(encoding="utf-8"))

definitions = dg.Definitions(
    assets=[models_of(group) for group in groups(_manifest, source_of_table())], resources={"dbt": project.resource()}
)
