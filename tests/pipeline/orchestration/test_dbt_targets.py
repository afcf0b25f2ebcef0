"""Where dbt builds: the layers themselves in runs of Dagster, schemas of one's own everywhere else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import IMAGE, PLACES


@pytest.fixture(scope="module")
def schemas(dbt_project, tmp_path_factory):
    """`schemas(environment)`: the schemas of all models where dbt runs with these variables."""

    def parsed(environment):
        folder = tmp_path_factory.mktemp("dbt") / "transformation"
        shutil.copytree(dbt_project, folder, ignore=shutil.ignore_patterns("target", "logs"))
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "HEADWATER_", "TRINO_"))
        }
        places = {name: value for name, value in PLACES.items() if name != "HEADWATER_PRODUCTION"}
        done = subprocess.run(
            [Path(sys.executable).with_name("dbt"), "parse"],
            cwd=folder,
            env={**inherited, **places, **environment, "DBT_PROFILES_DIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        manifest = json.loads((folder / "target" / "manifest.json").read_text())
        return {node["schema"] for node in manifest["nodes"].values() if node["resource_type"] == "model"}

    return parsed


@pytest.mark.parametrize(("environment", "name"), [({}, "nobody"), ({"HEADWATER_DEVELOPER": "ann"}, "ann")])
def test_dbt_by_hand_builds_in_schemas_of_its_own(schemas, environment, name):
    """A build of a branch that replaces what the dashboards show."""
    assert schemas(environment) == {f"dev_{name}_{layer}" for layer in ("staging", "intermediate", "marts")}


def test_only_run_pods_build_production(manifest):
    """The code server, where `make dbt` runs, must not have what run pods have."""
    launcher = yaml.safe_load((IMAGE / "home" / "dagster.yaml").read_text())["run_launcher"]["config"]
    assert "HEADWATER_PRODUCTION=1" in launcher["env_vars"]
    dockerfile = (IMAGE / "Dockerfile").read_text()
    (line,) = [each for each in dockerfile.splitlines() if "HEADWATER_PRODUCTION" in each and not each.startswith("#")]
    assert "HEADWATER_PRODUCTION=1 /opt/venv/bin/dbt --quiet parse" in line, "for the parse alone, whose names are keys"
    components = IMAGE.parents[1] / "components"
    assert not [path for path in components.rglob("*.py") if "HEADWATER_PRODUCTION" in path.read_text()]
    hooks = [node["raw_code"] for node in manifest["nodes"].values() if node["resource_type"] == "operation"]
    assert any("only_runs_of_dagster_build_production" in hook for hook in hooks)
