"""A contract as the text of its file, without values that are the default."""

from __future__ import annotations

import json
import re

from headwater_contracts.contract import Contract
from headwater_contracts.parts import Column, Deletes

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_READ_AS_OTHER = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def render(contract: Contract) -> str:
    """Return the YAML of a contract; reading it gives the same contract. `on_drift` and limits are not written."""
    lines = [f"stream: {quoted(contract.stream)}"]
    if contract.description:
        lines.append(f"description: {quoted(contract.description)}")
    lines.append(f"version: {max(contract.version, 1)}")
    if contract.key:
        lines.append(f"key: [{', '.join(map(quoted, contract.key))}]")
    if contract.replication_key is not None:
        lines.append(f"replication_key: {quoted(contract.replication_key)}")
    lines.append(f"write: {contract.write}")
    if contract.deletes is not Deletes.KEEP:
        lines.append(f"deletes: {contract.deletes}")
    for key, fields in (("sort", contract.sort), ("partition", contract.partition)):
        if fields is not None:
            lines.append(f"{key}: [{', '.join(quoted(str(field)) for field in fields)}]")
    if contract.columns:
        lines += ["columns:", *(f"  {quoted(name)}: {_column(column)}" for name, column in contract.columns.items())]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Return a text as YAML reads it back: JSON's quotes, where it is not a plain word."""
    if _PLAIN.fullmatch(text) and text.lower() not in _READ_AS_OTHER:
        return text
    return json.dumps(text, ensure_ascii=False)


def _column(column: Column) -> str:
    kind = str(column.type) if column.type.precision is None else f"'{column.type}'"
    flags = ", required: true" if column.required else ""
    return f"{{type: {kind}{flags}{', cast: true' if column.cast else ''}}}"
