"""Superset's provisioning is a program of its own image: its folder is put on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "pipeline_code" / "dashboards"))
