"""The cluster's own workloads: DNS and the provisioner of persistent volumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template

from localstack.cluster.images import SystemImage
from localstack.cluster.layout import DNS_ADDRESS, Layout

FOLDER = Path(__file__).parent / "manifests"
ROLLOUTS = (("kube-system", "coredns"), ("local-path-storage", "local-path-provisioner"))


def render(layout: Layout, images: Mapping[str, SystemImage]) -> str:
    """All manifests as one YAML stream; a placeholder without a value raises KeyError."""
    values = {
        "coredns": {"image": images["coredns"].reference, "address": DNS_ADDRESS},
        "local-path-provisioner": {
            "image": images["local-path-provisioner"].reference,
            "helper_image": images["busybox"].reference,
            "volumes": str(layout.volumes),
        },
    }
    documents = [Template((FOLDER / f"{name}.yaml").read_text()).substitute(known) for name, known in values.items()]
    return "---\n".join(documents)
