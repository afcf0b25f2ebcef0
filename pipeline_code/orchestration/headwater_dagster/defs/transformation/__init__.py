"""From raw change logs to marts."""

import dagster as dg

from headwater_dagster.defs.transformation import project
from headwater_dagster.defs.transformation.assets import build_models

definitions = dg.Definitions(assets=[build_models], resources={"dbt": project.resource()})
