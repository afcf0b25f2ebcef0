"""The tools that the local platform needs: found on the machine, or built from pinned packages."""

from __future__ import annotations

from localstack.toolchain.packages import installed_by_us, undo_command
from localstack.toolchain.tools import Item, ensure, external_context, plan

__all__ = ["Item", "ensure", "external_context", "installed_by_us", "plan", "undo_command"]
