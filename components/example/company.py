"""The example company on a stack: its source systems in their own namespace, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components import connections, settings
from components.connections import Platform
from components.example.petco import Petco, PetcoArgs
from components.kubernetes.network import namespace


@dataclass(frozen=True)
class Company:
    """What ingestion may read of it. source: the shop's database; None where the stack has no example."""

    source: connections.Database | None = None
    services: tuple[connections.WebService, ...] = ()


def example_company(stack: settings.Settings, platform: Platform, in_cluster: pulumi.ResourceOptions) -> Company:
    """Return the example company's systems, which the platform reads and does not own."""
    if not stack.example.enabled:
        return Company()
    place = namespace(stack.example.namespace, in_cluster, kept=stack.keeps_volumes)
    made = Petco("petco", PetcoArgs(platform, stack.example, place, stack.services.stand_ins), in_cluster)
    return Company(made.source, made.services)
