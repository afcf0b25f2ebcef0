"""Settings of the platform's own PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from components.settings.base import Allowed, Model, Quantity, mebibytes

# What RDS allots to PostgreSQL on gp3, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
SMALLEST_RDS_GIB, LARGEST_RDS_GIB = 20, 64 * 1024
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Support.html
OLD_FAMILIES = ("m1", "m2", "m3", "m4", "r3", "r4", "t1", "t2")
# GiB of memory, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
_BURSTABLE_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_GENERAL_GIB = {"large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64, "8xlarge": 128}
_MEMORY_GIB = {"large": 16, "xlarge": 32, "2xlarge": 64, "4xlarge": 128, "8xlarge": 256}


class Database(Model):
    """The platform's own PostgreSQL: what the catalog, Dagster, Superset and Meltano remember."""

    kind: Literal["in-cluster", "rds"] = Field(
        default="in-cluster",
        description="`in-cluster` runs in the cluster. `rds` is Amazon RDS, and needs `kubernetes.kind: eks`.",
    )
    size: Quantity = Field(
        default="5Gi",
        description="The size of its volume. On RDS, where it grows by itself up to `max_size`, whole Gi from 20Gi to "
        "65536Gi.",
    )
    instance_class: Annotated[str, Field(pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$"), Allowed("like db.t4g.small")] = Field(
        default="db.t4g.small", description="The instance class, and so its cores and memory. Of RDS only."
    )
    multi_az: bool = Field(
        default=False,
        description="Whether a standby in a second zone takes over within about a minute. Of RDS only.",
    )
    version: Annotated[str, Field(pattern=r"^1[5-9]$"), Allowed('a major version, "15" to "19", quoted')] = Field(
        default="17", description="The major version of PostgreSQL. Of RDS only."
    )
    max_size: Quantity = Field(
        default="100Gi",
        description="How far the volume may grow: `size`, and it does not, or a tenth more than that at least. Of RDS "
        "only.",
    )
    ca_bundle: str | None = Field(
        default=None,
        description="A PEM file with RDS's certificate authorities, its path relative to the program. Clients then "
        "verify that RDS answers. Not set: they ask for TLS and do not verify. Of RDS only.",
    )

    @property
    def most_connections(self) -> int | None:
        """Connections that RDS allows by default, `DBInstanceClassMemory / 9531392`; None for a class not known here.

        The class's whole memory counts here; RDS keeps about a tenth of it to itself.
        """
        _, family, size = self.instance_class.split(".")
        ratio = {"t": _BURSTABLE_GIB, "m": _GENERAL_GIB, "r": _MEMORY_GIB}.get(family[0], {})
        return None if size not in ratio else min(5000, ratio[size] * 2**30 * 9 // 10 // 9531392)


def database_contradictions(database: Database) -> Iterator[tuple[str, object, str]]:
    """Yield path, value and explanation of each setting that RDS refuses, or that is of RDS only where it is not."""
    if database.kind != "rds":
        for name in sorted(
            {"instance_class", "multi_az", "version", "max_size", "ca_bundle"} & database.model_fields_set
        ):
            yield f"database.{name}", getattr(database, name), "it is RDS's; database.kind is 'in-cluster'"
        return
    family = database.instance_class.split(".")[1]
    if family in OLD_FAMILIES:
        old = f"RDS runs PostgreSQL 15 and later on no {family}; take a newer class, such as db.t4g.small"
        yield "database.instance_class", database.instance_class, old
    sizes = {name: getattr(database, name) for name in ("size", "max_size")}
    wrong = [(name, each, why) for name, each in sizes.items() if (why := _not_allotted(each)) is not None]
    yield from ((f"database.{name}", each, why) for name, each, why in wrong)
    size, most = (mebibytes(each) // 1024 for each in sizes.values())
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
    least = -(-size * 11 // 10)
    if not wrong and most != size and most < least:
        why = f"RDS takes database.size, {size}Gi (the volume then does not grow), or a tenth more: {least}Gi at least"
        yield "database.max_size", database.max_size, why


def _not_allotted(size: str) -> str | None:
    """Return why RDS refuses a volume of that size; None where it takes it."""
    if mebibytes(size) < SMALLEST_RDS_GIB * 1024:
        return f"RDS allots {SMALLEST_RDS_GIB}Gi at least"
    if mebibytes(size) > LARGEST_RDS_GIB * 1024:
        return f"RDS allots {LARGEST_RDS_GIB}Gi at most"
    return None if mebibytes(size) % 1024 == 0 else "RDS allots whole GiB: write it with Gi"
