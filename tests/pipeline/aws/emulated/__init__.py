"""AWS as moto plays it: a handler for each type of resource that the program registers."""

from __future__ import annotations

from tests.pipeline.aws.emulated import cluster, network, operations, serving, storage
from tests.pipeline.aws.emulated.emulator import Emulator, in_order
from tests.pipeline.aws.emulated.operations import sdk_arguments, universal_target

__all__ = [
    "Emulator",
    "cluster",
    "in_order",
    "network",
    "operations",
    "sdk_arguments",
    "serving",
    "storage",
    "universal_target",
]
