"""The target's settings, as its command shows and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater_singer import Program, Setting

PROGRAM = Program(
    "target-iceberg",
    "target-headwater-iceberg",
    "Publishes all streams' rows together at the end of input, and only then lets go of the Singer state.",
    ("about", "activate-version", "batch"),
    (
        Setting("catalog", str, "Name in pyiceberg's configuration (PYICEBERG_CATALOG__<NAME>__…).", "lake"),
        Setting("namespace", str, "Namespace of the tables.", "raw"),
        Setting(
            "contracts",
            str,
            "Folder of contracts, <source>/<table>.yml; streams without one are loaded with the defaults.",
        ),
        Setting(
            "publish",
            str,
            "together: readers see all streams of a run at once, or none. each: every stream by itself.",
            "together",
            allowed=("together", "each"),
        ),
        Setting("batch_size_rows", int, "Records of a stream that are held before they are written.", 50_000, least=1),
    ),
)


@dataclass(frozen=True)
class Settings:
    """`catalog` is a name in pyiceberg's configuration, `contracts` a folder; `publish` is together or each."""

    catalog: str
    namespace: str
    publish: str
    batch_size_rows: int
    contracts: str | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Return the settings of a configuration. ConfigError says what is wrong with it."""
        return cls(**PROGRAM.checked(config))

    @property
    def together(self) -> bool:
        """Whether readers see all streams of a run at once, or none."""
        return self.publish == "together"
