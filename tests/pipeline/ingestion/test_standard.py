"""The Singer SDK's own test suite for targets."""

from __future__ import annotations

from singer_sdk.testing import get_target_test_class
from target_iceberg.messages.target import TargetIceberg

TestStandardTarget = get_target_test_class(TargetIceberg, config={"namespace": "standard"})
