"""The ingestion image's entry point as a command of this machine: Meltano, taps and target from the checkout."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import PACKAGES
from dagster_pipes import encode_param

MODULES = {
    "tap-postgres-arrow": "tap_postgres_arrow.main",
    "tap-salesforce": "tap_salesforce.tap",
    "tap-stripe": "tap_stripe.tap",
    "tap-files": "tap_files.main",
    "target-iceberg": "target_iceberg.main",
    "target-iceberg-tables": "target_iceberg.admin",
}


@dataclass(frozen=True)
class EntryPoint:
    """headwater-ingest with the project's meltano.yml; its state is kept below `folder`."""

    folder: Path
    namespace: str
    source: Mapping[str, str]
    """Environment variables that say where the source is."""

    def __call__(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = [sys.executable, "-m", "headwater_ingest.main", *arguments]
        environment = {**self._environment(), **extra}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def _environment(self) -> dict[str, str]:
        packages = os.pathsep.join(str(path) for path in sorted(PACKAGES.iterdir()))
        commands = self.folder / "bin"
        commands.mkdir(exist_ok=True)
        for name, module in MODULES.items():
            script = commands / name
            script.write_text(f'#!/bin/sh\nPYTHONPATH="{packages}" exec "{sys.executable}" -m {module} "$@"\n')
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return {
            **os.environ,
            "PATH": os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": packages,
            "MELTANO_PROJECT_ROOT": str(PACKAGES.parent),
            "MELTANO_SYS_DIR_ROOT": str(self.folder / "meltano"),
            "XDG_STATE_HOME": str(self.folder / "state"),  # of the logs of its jobs, else in the home of who tests
            "TARGET_ICEBERG_NAMESPACE": self.namespace,
            **self.source,
        }


def pipes(*assets: str) -> dict[str, str]:
    """Return the environment that Dagster gives a process, messages on standard output."""
    context: dict[str, Any] = {
        "asset_keys": list(assets), "code_version_by_asset_key": {}, "provenance_by_asset_key": {},
        "partition_key": None, "partition_key_range": None, "partition_time_window": None, "run_id": "r",
        "job_name": "j", "retry_number": 0, "extras": {},
    }  # fmt: skip
    return {
        "DAGSTER_PIPES_CONTEXT": encode_param({"data": context}),
        "DAGSTER_PIPES_MESSAGES": encode_param({"stdio": "stdout"}),
    }
