"""From raw change logs to marts."""

import json

import dagster as dg

from headwater_dagster.dbt_groups import groups
from headwater_dagster.defs.ingestion.streams import source_of_table, unconnected
from headwater_dagster.defs.transformation import project
from headwater_dagster.defs.transformation.assets import models_of

_manifest = json.loads(project.project().manifest_path.read_text(encoding="utf-8"))

# The tables of a source that is not connected may never have been there; of those that are, nothing new comes.
_buildable = [group for group in groups(_manifest, source_of_table()) if unconnected().isdisjoint(group.sources)]

definitions = dg.Definitions(assets=[models_of(group) for group in _buildable], resources={"dbt": project.resource()})
