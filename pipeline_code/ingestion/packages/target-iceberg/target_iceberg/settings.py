"""The target's settings: defaults, and whether a configuration needs nothing of the SDK's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULTS: Mapping[str, str] = {"catalog": "lake", "namespace": "raw", "publish": "together"}
PUBLISH = ("together", "each")

# What the SDK does by these does not concern bulk messages, or is what is done anyway.
_OF_RECORDS = {
    "validate_records": (True, False),
    "add_record_metadata": (False,),
    "process_activate_version_messages": (True,),
}


@dataclass(frozen=True)
class Settings:
    """`catalog` is a name in pyiceberg's configuration, `contracts` a folder; `publish` is one of PUBLISH."""

    catalog: str
    namespace: str
    publish: str
    contracts: str | None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Return the settings of a configuration that is right."""
        given = {name: config[name] for name in DEFAULTS if config.get(name) is not None}
        return cls(**{**DEFAULTS, **given}, contracts=config.get("contracts"))

    @property
    def together(self) -> bool:
        """Whether readers see all streams of a run at once, or none."""
        return self.publish == "together"


def for_bulk(config: Mapping[str, Any]) -> Settings | None:
    """Return the settings of a configuration under which bulk messages need nothing of the SDK.

    None for any other, errors included: the SDK's classes say what is wrong.
    """
    for name, value in config.items():
        if value is None:
            continue
        if name in {*DEFAULTS, "contracts"}:
            right = isinstance(value, str) and (name != "publish" or value in PUBLISH)
        elif name == "batch_size_rows":
            right = type(value) is int
        else:
            right = any(value is allowed for allowed in _OF_RECORDS.get(name, ()))
        if not right:
            return None
    return Settings.of(config)
