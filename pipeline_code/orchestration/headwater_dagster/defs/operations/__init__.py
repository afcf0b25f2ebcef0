"""What the platform reports to its operators, if the stack has monitoring."""

import os

import dagster as dg

from headwater_dagster.defs.operations.sensors import NAMESPACE, publish_metrics

definitions = dg.Definitions(sensors=[publish_metrics] if NAMESPACE in os.environ else [])
