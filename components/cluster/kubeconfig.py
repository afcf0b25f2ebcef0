"""An existing cluster: the one of a kubeconfig's context."""

from __future__ import annotations

import pulumi_kubernetes as k8s

from components import settings


def provider(configured: settings.Kubernetes) -> k8s.Provider:
    """Return the provider of the cluster that the settings name."""
    return k8s.Provider(
        "cluster",
        context=configured.context,
        kubeconfig=configured.kubeconfig,
        # Changed in place: pods roll by their configuration hash, and at no moment is there no ConfigMap.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
