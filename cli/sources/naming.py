"""Names of sources, and texts as YAML reads them back."""

from __future__ import annotations

import json
import re

import yaml

from components.lake import LAYERS
from localstack.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
"""Names of sources: they begin the names of tables, variables (in capitals) and Jobs, which have 63 letters."""
DOMAINS = ("sales", "payments", "customers", "quality", "dashboards")
"""Groups of assets beside those of the sources: dbt's (transformation/models/groups.yml), and what reads the marts."""
RESERVED = frozenset({*LAYERS, *DOMAINS, "source", "stg", "int"})
"""Names that schemas of the lake, or groups of assets, have already."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def given_name(text: str) -> str:
    """Return the name that the user has given. Raises UsageError for one that can't be."""
    if NAME.fullmatch(text) is None or text in RESERVED:
        taken = f", and not {', '.join(sorted(RESERVED))}"
        raise UsageError(f"name={text!r}: a small letter, then up to 29 small letters, digits and _{taken}")
    return text


def name_of(what: str, text: str) -> str:
    """Return a name made of what something (`what`: database, folder) is called. Raises UsageError if none can be."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    if NAME.fullmatch(name) is None or name in RESERVED:
        raise UsageError(f"{what} {text!r} gives no name; say one: name=crm")
    return name


def check_plain(what: str, value: str) -> None:
    """Raise UsageError for a value that Meltano would read as something else."""
    if not value.isprintable() or "$" in value or not value:
        raise UsageError(f"{what} {value!r}: a $ or a control character would be read as something else by Meltano")


def quoted(text: str) -> str:
    """Return a text as YAML reads it back."""
    if _PLAIN.fullmatch(text) and isinstance(yaml.safe_load(text), str):
        return text
    return json.dumps(text, ensure_ascii=False)
