"""What replaces AWS on this machine: an emulator of its S3, Glue and other APIs, for the stack `localstack`."""

from __future__ import annotations

from localstack.aws.emulator import destroy, down, status_line, up

__all__ = ["destroy", "down", "status_line", "up"]
