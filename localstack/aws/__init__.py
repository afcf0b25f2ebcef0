"""What stands in for AWS on this machine: an emulator of its S3, Glue and other APIs, for the stack `localstack`."""

from __future__ import annotations

from localstack.aws.command import run
from localstack.aws.emulator import destroy, down, status_line

__all__ = ["destroy", "down", "run", "status_line"]
