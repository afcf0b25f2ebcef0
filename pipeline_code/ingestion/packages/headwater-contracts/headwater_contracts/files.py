"""Folders of contracts: <root>/<source>/_source.yml and <root>/<source>/<table>.yml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from headwater_contracts.contract import Contract, Source, parse_contract, parse_source
from headwater_contracts.errors import ContractError
from headwater_contracts.names import table_name

SOURCE_FILE = "_source.yml"
ROOT_VARIABLE = "HEADWATER_CONTRACTS"
"""Environment variable with the folder of all contracts, in the images."""


def root(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of all contracts: the given one, or that of HEADWATER_CONTRACTS. ContractError without it."""
    place = folder if folder is not None else os.environ.get(ROOT_VARIABLE)
    if not place:
        raise ContractError(f"no folder of contracts: set {ROOT_VARIABLE}")
    if not Path(place).is_dir():
        raise ContractError(f"{place}: the folder of contracts is not there; correct {ROOT_VARIABLE}")
    return Path(place)


def read_sources(folder: Path) -> tuple[Source, ...]:
    """Return all sources below `folder`, by name. ContractError if two have a stream of the same table."""
    sources = tuple(read_source(each.parent) for each in sorted(folder.glob(f"*/{SOURCE_FILE}")))
    owners: dict[str, Contract] = {}
    for contract in (each for source in sources for each in source.streams):
        if (other := owners.setdefault(contract.table, contract)) is not contract:
            raise ContractError(
                f"{contract.file} and {other.file}: both would be table {contract.table}; rename one of the streams"
            )
    return sources


def read_source(folder: Path) -> Source:
    """Return the source of `folder` with its streams, by name."""
    place = _place(folder / SOURCE_FILE)
    if not (folder / SOURCE_FILE).is_file():
        raise ContractError(f"{place} is missing: it names the source's tap, title and kind")
    files = [each for each in sorted(folder.glob("*.yml")) if each.name != SOURCE_FILE]
    streams = tuple(read_contract(each) for each in files)
    return parse_source(folder.name, place, _document(folder / SOURCE_FILE), streams)


def read_contract(path: Path) -> Contract:
    """Return the contract of one file, which is called after the stream's table."""
    contract = parse_contract(path.parent.name, _place(path), _document(path))
    if path.stem != contract.table:
        raise ContractError(f"{_place(path)}: stream {contract.stream!r} belongs into {contract.file}; rename the file")
    return contract


def find(folder: Path, stream: str) -> Contract | None:
    """Return the contract of a stream, None if nobody wrote one. Reads no other stream's file."""
    found = sorted(folder.glob(f"*/{table_name(stream)}.yml"))
    if len(found) > 1:
        raise ContractError(f"stream {stream}: there are several contracts: {', '.join(map(_place, found))}")
    return read_contract(found[0]) if found else None


def _document(path: Path) -> Any:
    from headwater_contracts.document import NoYamlError, read  # late: a run without contracts needs no YAML

    try:
        return read(path)
    except NoYamlError as error:
        raise ContractError(f"{_place(path)} is no YAML: {error}") from error


def _place(path: Path) -> str:
    """Return the file as people know it: contracts/<source>/<file>."""
    return f"contracts/{path.parent.name}/{path.name}"
