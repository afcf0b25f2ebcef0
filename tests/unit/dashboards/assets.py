"""The asset files of the dashboards, parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
ASSETS = ROOT / "pipeline_code" / "dashboards" / "assets"
MODELS = ROOT / "pipeline_code" / "transformation" / "models" / "marts"


def read(folder: str) -> dict[str, dict[str, Any]]:
    """Return the files below a folder of the assets: name of the file without its ending → content."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ASSETS / folder).rglob("*.yaml"))}


CHARTS = read("charts")
DATASETS = {dataset["uuid"]: dataset for dataset in read("datasets").values()}
(DASHBOARD,) = read("dashboards").values()


def dataset_of(chart: dict[str, Any]) -> dict[str, Any]:
    """Return the dataset that a chart asks."""
    return DATASETS[chart["dataset_uuid"]]
