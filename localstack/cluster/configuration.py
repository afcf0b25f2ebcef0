"""Configuration files of the node's processes, made of the templates in the folder `configuration`."""

from __future__ import annotations

from pathlib import Path
from string import Template

from localstack.cluster.layout import CLUSTER_DOMAIN, DNS_ADDRESS, NODE, NODE_ADDRESS, POD_NETWORK, Layout

FOLDER = Path(__file__).parent / "configuration"


def render(layout: Layout, pause_image: str) -> dict[str, str]:
    """The files by name; a placeholder without a value raises KeyError."""
    values = {
        "address": NODE_ADDRESS, "dns": DNS_ADDRESS, "domain": CLUSTER_DOMAIN, "node": NODE, "pods": POD_NETWORK,
        "pause": pause_image, **vars(layout),
    }  # fmt: skip
    files = {path.name: Template(path.read_text()).substitute(values) for path in sorted(FOLDER.iterdir())}
    return {**files, "resolv.conf": ""}
