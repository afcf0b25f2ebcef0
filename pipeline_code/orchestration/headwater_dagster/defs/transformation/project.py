"""Where the dbt project, its manifest and the dbt command are; all of it is made when the image is built."""

import os
from pathlib import Path

from dagster_dbt import DbtProject

from headwater_dagster.dbt_command.resource import CLIENT, PreloadedDbt

PROJECT_FOLDER = Path(os.environ.get("DBT_PROJECT_DIR", "/opt/transformation"))
# The image is read-only: artifacts of a run go where a run can write.
SCRATCH = Path("/tmp/dbt")  # noqa: S108 - the pod's own


def project() -> DbtProject:
    """Return the project with the manifest that `dbt parse` left in its target folder."""
    return DbtProject(project_dir=PROJECT_FOLDER, profiles_dir=PROJECT_FOLDER)


def resource() -> PreloadedDbt:
    """Return the dbt command of this Python environment."""
    return PreloadedDbt(
        project_dir=os.fspath(PROJECT_FOLDER),
        profiles_dir=os.fspath(PROJECT_FOLDER),
        dbt_executable=os.fspath(CLIENT),
        global_config_flags=["--no-use-colors"],
    )
