"""The image registry on this machine, 127.0.0.1:5000, and the base images in it."""

from __future__ import annotations

from localstack.registry.bases import base_arguments, ensure_bases
from localstack.registry.server import ADDRESS, destroy, down, running, up

__all__ = ["ADDRESS", "base_arguments", "destroy", "down", "ensure_bases", "running", "up"]
