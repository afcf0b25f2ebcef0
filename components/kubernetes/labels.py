"""The identity of a workload: names, and the labels that kubectl users expect."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

PART_OF = "headwater"
PREFIX = "app.kubernetes.io"
MANAGED_BY = f"{PREFIX}/managed-by"


@dataclass(frozen=True)
class Identity:
    """One workload: `name` is the software's role (postgres, trino), `component` its part (server, init, webserver).

    version: of the software inside, as people know it. namespace: where it runs.
    """

    name: str
    component: str
    version: str
    namespace: pulumi.Input[str]
    instance: str = PART_OF

    @property
    def selector(self) -> dict[str, str]:
        """The labels that never change and that tell this workload's pods from all others."""
        return {
            f"{PREFIX}/name": self.name,
            f"{PREFIX}/instance": self.instance,
            f"{PREFIX}/component": self.component,
        }

    @property
    def labels(self) -> dict[str, str]:
        """All labels, for objects and pods."""
        return self.selector | {
            f"{PREFIX}/part-of": PART_OF,
            MANAGED_BY: "pulumi",
            f"{PREFIX}/version": self.version,
        }
