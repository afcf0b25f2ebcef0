"""What reads the marts: the last link of the lineage. Superset queries them itself, nothing is built here."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from headwater_dagster.defs.transformation import project


def dashboards(manifest: Mapping[str, Any]) -> Iterator[dg.AssetSpec]:
    """Yield an asset for each dashboard among the exposures of a dbt manifest (transformation/models/exposures.yml)."""
    for exposure in manifest["exposures"].values():
        if exposure["type"] != "dashboard":
            continue
        nodes = [manifest["nodes"][each] for each in exposure["depends_on"]["nodes"]]
        yield dg.AssetSpec(
            ["dashboards", exposure["name"]],
            deps=[dg.AssetKey([node["schema"], node["name"]]) for node in nodes],
            group_name="dashboards",
            description=exposure["description"],
            kinds={"superset"},
            owners=[exposure["owner"]["email"]],
        )


definitions = dg.Definitions(
    assets=[*dashboards(json.loads(project.project().manifest_path.read_text(encoding="utf-8")))]
)
