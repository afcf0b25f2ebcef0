"""A single-node Kubernetes on this machine, of plain processes; or somebody else's, named by its kubeconfig context."""

from __future__ import annotations

from localstack.cluster.lifecycle import destroy, down, up
from localstack.cluster.status import running
from localstack.toolchain.tools import external_context

__all__ = ["destroy", "down", "external_context", "running", "up"]
