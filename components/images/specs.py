"""What each image is made of: its folders in pipeline_code/, and its base images."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "headwater"


@dataclass(frozen=True)
class ImageSpec:
    """One image: its folders below pipeline_code/ (the first has the Dockerfile) and the base images it takes."""

    name: str
    directories: tuple[str, ...]
    bases: tuple[str, ...]


SPECS = {
    spec.name: spec
    for spec in (
        ImageSpec("database", ("database",), ("PYTHON_IMAGE",)),
        ImageSpec("postgres", ("postgres",), ("DEBIAN_IMAGE",)),
        ImageSpec("minio", ("minio",), ("GO_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("catalog", ("catalog",), ("JAVA_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("trino", ("trino",), ("JAVA_IMAGE", "DEBIAN_IMAGE")),
        ImageSpec("sources", ("sources",), ("PYTHON_IMAGE",)),
        ImageSpec("ingestion", ("ingestion",), ("PYTHON_IMAGE",)),
        # The contracts of the streams and their reader, not the taps: a changed tap rolls no code location.
        ImageSpec(
            "orchestration",
            ("orchestration", "transformation", "ingestion/contracts", "ingestion/packages/headwater-contracts"),
            ("PYTHON_IMAGE",),
        ),
        ImageSpec("dashboards", ("dashboards",), ("PYTHON_IMAGE",)),
        ImageSpec("cache", ("cache",), ("DEBIAN_IMAGE",)),
    )
}
