"""The definitions as the image has them: over a manifest that dbt parsed from the committed project."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

REPOSITORY = Path(__file__).parents[3]
PROJECT = REPOSITORY / "pipeline_code" / "transformation"
IMAGE = REPOSITORY / "pipeline_code" / "orchestration"
# Before the first import of the definitions: their assets are made of the contracts.
os.environ["HEADWATER_CONTRACTS"] = str(REPOSITORY / "pipeline_code" / "ingestion" / "contracts")
PLACES = {"TRINO_HOST": "trino", "TRINO_PORT": "8080", "TRINO_USER": "dbt", "LAKE_CATALOG": "lake"}
PLACES |= {"HEADWATER_PRODUCTION": "1"}  # as in run pods


@pytest.fixture(scope="session")
def dbt_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project with its manifest, made as the Dockerfile makes it."""
    folder = tmp_path_factory.mktemp("dbt") / "transformation"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
    dbt = Path(sys.executable).with_name("dbt")
    # No DBT_* of whoever runs the tests: they could point to another project.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    environment = {**inherited, **PLACES, "DBT_PROFILES_DIR": str(folder)}
    done = subprocess.run([dbt, "parse"], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def manifest(dbt_project: Path) -> dict:
    return json.loads((dbt_project / "target" / "manifest.json").read_text())


@pytest.fixture(scope="session")
def definitions(dbt_project: Path) -> dg.Definitions:
    os.environ["DBT_PROJECT_DIR"] = str(dbt_project)
    from headwater_dagster.definitions import defs

    dg.Definitions.validate_loadable(defs)
    return defs
