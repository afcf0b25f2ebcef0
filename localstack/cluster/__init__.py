"""A single-node Kubernetes on this machine, made of plain processes; or another cluster, by its kubeconfig context."""

from __future__ import annotations

from localstack.cluster.lifecycle import destroy, down, up
from localstack.cluster.status import running

__all__ = ["destroy", "down", "running", "up"]
