"""The contracts that this target works by."""

from __future__ import annotations

from headwater_contracts import Contract, find
from headwater_contracts.files import root


def contract_of(folder: str | None, stream: str) -> Contract:
    """Return a stream's contract below `folder`, or one of all defaults, where there is none.

    Raises ContractError for a file that is wrong, and for a folder that is not there.
    """
    found = find(root(folder), stream) if folder else None
    return found if found is not None else Contract("", stream)
