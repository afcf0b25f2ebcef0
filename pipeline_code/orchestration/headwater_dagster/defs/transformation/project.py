"""Where the dbt project, its manifest and the dbt command are; all of it is made when the image is built."""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from dagster_dbt import DbtCliResource, DbtProject
from packaging.version import Version

PROJECT_FOLDER = Path(os.environ.get("DBT_PROJECT_DIR", "/opt/transformation"))
# The image is read-only: artifacts of a run go where a run can write.
SCRATCH = Path("/tmp/dbt")  # noqa: S108 - the pod's own


class BuiltInDbt(DbtCliResource):
    """dbt as installed beside Dagster. It skips two things that cost a run 6 CPU-s and give it nothing.

    `dbt --version` (a process, which also asks the internet for newer versions), and a second adapter within Dagster's
    process, which only serves row counts and column metadata fetched by dagster-dbt.
    """

    @property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Any) -> Any:  # noqa: ARG002
        return None


def project() -> DbtProject:
    """Return the project with the manifest that `dbt parse` left in its target folder."""
    return DbtProject(project_dir=PROJECT_FOLDER, profiles_dir=PROJECT_FOLDER)


def resource() -> BuiltInDbt:
    """Return the dbt command of this Python environment."""
    executable = Path(sys.executable).with_name("dbt")
    return BuiltInDbt(
        project_dir=os.fspath(PROJECT_FOLDER),
        profiles_dir=os.fspath(PROJECT_FOLDER),
        dbt_executable=os.fspath(executable),
        global_config_flags=["--no-use-colors"],
    )
