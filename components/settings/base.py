"""What all settings use: the frozen model, and the types of single values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

PROJECT = "headwater"


@dataclass(frozen=True)
class Allowed:
    """What a value may be, in words: errors show it, docs/settings.md, and editors by the JSON schema."""

    words: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), ALLOWED: self.words}


# Editors with the language servers of VS Code show this in place of a regular expression.
ALLOWED = "patternErrorMessage"

Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi)$"), Allowed("a size such as 512Mi or 20Gi")]
Cpu = Annotated[str, Field(pattern=r"^([1-9][0-9]*m?)$"), Allowed('cores, such as "2" or 250m')]
NodePort = Annotated[int, Field(ge=30000, le=32767)]
DnsLabel = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"), Allowed("1 to 63 of a-z 0-9 -")]
AbsolutePath = Annotated[str, Field(pattern=r"^/"), Allowed("an absolute path")]
Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]*[smh]$"), Allowed("a time such as 90s, 5m or 2h")]
Percent = Annotated[int, Field(ge=10, le=95)]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$"), Allowed("a mail address")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$"), Allowed("an http(s) URL")]
Text = Annotated[str, Field(min_length=1, max_length=256)]
Ipv4Network = Annotated[str, Allowed("an IPv4 network such as 203.0.113.0/24")]


def each_once(values: list[str]) -> list[str]:
    """Return them. Raises ValueError for one that is there twice: AWS refuses the second."""
    twice = next((each for each in values if values.count(each) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} is there twice; leave one of them")
    return values


class WrongField(ValueError):
    """What a check of a whole section raises: which field of it is wrong, why, and the way out.

    field: its path within the section, with dots. value: what it is; None where it is missing.
    """

    def __init__(self, field: str, value: object, why: str) -> None:
        super().__init__(why)
        self.field, self.value = field, value


def millicores(cpu: str) -> int:
    """Return thousandths of a core: "2" is 2000, "250m" is 250."""
    return int(cpu[:-1]) if cpu.endswith("m") else int(cpu) * 1000


def mebibytes(quantity: str) -> int:
    """Return the number of MiB in a quantity such as 2816Mi or 4Gi."""
    return int(quantity[:-2]) * (1024 if quantity.endswith("Gi") else 1)


def seconds(duration: str) -> int:
    """Return the seconds in a duration such as 90s, 5m or 2h."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


class Model(BaseModel):
    """Frozen; an unknown key is an error. A subclass's docstring is what docs/settings.md says of that section."""

    model_config = ConfigDict(frozen=True, extra="forbid")
