"""The tools that the local platform needs: found on the machine, or built from pinned packages."""

from __future__ import annotations

from localstack.toolchain.packages import installed_by_us
from localstack.toolchain.tools import Item, ensure, plan

__all__ = ["Item", "ensure", "installed_by_us", "plan"]
