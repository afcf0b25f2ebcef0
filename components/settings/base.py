"""What all settings are made of: the frozen model, and the types of single values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PROJECT = "headwater"

Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi)$", description="a size such as 512Mi or 20Gi")]
Cpu = Annotated[str, Field(pattern=r"^([1-9][0-9]*m?)$", description="cores, such as 2 or 250m")]
NodePort = Annotated[int, Field(ge=30000, le=32767)]
DnsLabel = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", description="a DNS label")]
AbsolutePath = Annotated[str, Field(pattern=r"^/")]
Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]*[smh]$", description="a time such as 90s, 5m or 2h")]
Percent = Annotated[int, Field(ge=10, le=95, description="percent")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", description="a mail address")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$")]


def mebibytes(quantity: str) -> int:
    """Return the number of MiB in a quantity such as 2816Mi or 4Gi."""
    return int(quantity[:-2]) * (1024 if quantity.endswith("Gi") else 1)


def seconds(duration: str) -> int:
    """Return the seconds in a duration such as 90s, 5m or 2h."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


class Model(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
