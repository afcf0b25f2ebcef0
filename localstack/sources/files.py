"""The files of a source: written from what was found, listed, and taken back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localstack.errors import UsageError
from localstack.reporting import LocalError
from localstack.sources.connection import NAME, Connection
from localstack.stack import CHECKOUT

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PATTERN = re.compile(r"[.\[\]*?\\!]")


@dataclass(frozen=True)
class Found:
    """A table of the source: its stream, and its place in `raw`. `clash` is the table that has this place already.

    rows: an estimate of the source's, None where it has none. contract: the text of its contract.
    """

    name: str
    stream: str
    table: str
    key: tuple[str, ...]
    replication_key: str | None
    rows: int | None
    clash: str | None
    contract: str

    @property
    def method(self) -> str:
        """Return how its changes are found, in words."""
        return "in full, each time" if self.replication_key is None else f"by {self.replication_key}"


def parse_tables(found: Sequence[Mapping[str, Any]]) -> tuple[Found, ...]:
    """Return what discovery printed."""
    return tuple(
        Found(
            each["name"], each["stream"], each["table"], tuple(each["key"]), each["replication_key"], each["rows"],
            each["clash"], each["contract"],
        )
        for each in found
    )  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where the files of a source are in a checkout."""

    name: str
    checkout: Path = CHECKOUT

    @property
    def meltano(self) -> Path:
        """Connection and replication; while it is there, so is the source."""
        return self.checkout / "pipeline_code/ingestion/sources" / f"{self.name}.meltano.yml"

    @property
    def authorities(self) -> Path:
        """Certificates that the server's must come from, where it is checked; Meltano includes *.meltano.yml only."""
        return self.meltano.with_name(f"{self.name}.ca.pem")

    @property
    def contracts(self) -> Path:
        """Folder of the contracts, from which Dagster makes its assets."""
        return self.checkout / "pipeline_code/ingestion/contracts" / self.name

    @property
    def dbt(self) -> Path:
        """Tables as dbt sources."""
        return self.checkout / "pipeline_code/transformation/models/staging" / self.name / "_sources.yml"

    def tables(self) -> list[str]:
        """Return the tables in `raw` that have a contract."""
        return sorted(path.stem for path in self.contracts.glob("*.yml") if path.name != "_source.yml")


def rendered(places: Places, source: Connection, tables: Sequence[Found]) -> dict[Path, str]:
    """Return the files of a source, the one that says that it exists first."""
    loaded = [table for table in tables if table.clash is None]
    pem = None if source.authorities is None else source.authorities.pem
    return {
        places.meltano: meltano_file(source, tables),
        **({} if pem is None else {places.authorities: pem}),
        places.contracts / "_source.yml": source_file(source),
        **{places.contracts / f"{table.table}.yml": table.contract for table in loaded},
        places.dbt: dbt_file(source, loaded),
    }


def quoted(text: str) -> str:
    """Return a text as YAML reads it back."""
    if _PLAIN.fullmatch(text) and isinstance(yaml.safe_load(text), str):
        return text
    return json.dumps(text, ensure_ascii=False)


def pattern(stream: str) -> str:
    """Return a pattern of Meltano's for a stream: what would mean something in it stands for any character."""
    return _PATTERN.sub("?", stream)


def meltano_file(source: Connection, tables: Sequence[Found]) -> str:
    """Return the Meltano file: where the source is, and how each table's changes are found."""
    lines = [
        f"# `make source add=…` wrote this file, `make source remove={source.name}` takes it back: docs/sources.md.",
        "plugins:",
        "  extractors:",
        f"  - name: tap-{source.name}",
        "    inherit_from: tap-postgres",
        "    config:",
        f"      host: {quoted(source.host)}",
        f"      port: {source.port}",
        f"      database: {quoted(source.database)}",
        f"      user: {quoted(source.user)}",
        "      # From the Secret ingestion-credentials: no file holds it.",
        f"      password: ${source.variable}",
        f"      sslmode: {source.sslmode}",
        *_trust(source),
        f"      schema: {quoted(source.schema)}",
        f"      stream_prefix: {source.name}_",
        "      positions_file: $HEADWATER_POSITIONS",
        "      batch_config:",
        "        encoding: {format: pipe}",
        "        storage: {root: $HEADWATER_BATCH_ROOT}",
        "    select:",
        "    - '*.*'",
    ]
    for table in tables:
        if table.clash is not None:
            lines.append(f"    # Would be table raw.{table.table}, which is {json.dumps(table.clash)}'s.")
            lines.append(f"    - {json.dumps(f'!{pattern(table.stream)}.*')}")
    lines.append("    # How changes are found: by a column that each change of a row moves on, or all rows each time.")
    lines.append("    metadata:")
    for table in tables:
        if table.clash is None:
            key = table.replication_key
            how = "FULL_TABLE" if key is None else f"INCREMENTAL, replication-key: {quoted(key)}"
            lines.append(f"      {quoted(pattern(table.stream))}: {{replication-method: {how}}}")
    return "\n".join(lines) + "\n"


def _trust(source: Connection) -> list[str]:
    if source.authorities is None:
        return []
    if source.authorities.pem is None:
        return ["      sslrootcert: system"]
    return [f"      sslrootcert: $MELTANO_PROJECT_ROOT/sources/{Places(source.name).authorities.name}"]


def source_file(source: Connection) -> str:
    """Return `_source.yml` of the contracts."""
    where = f"Database {source.database} on {source.host}, schema {source.schema}."
    return (
        f"# Source {source.name}. docs/contracts.md explains these files.\n"
        f"title: {quoted(source.name)}\nkind: postgres\ntap: tap-{source.name}\ndescription: {quoted(where)}\n"
    )


def dbt_file(source: Connection, tables: Sequence[Found]) -> str:
    """Return the dbt sources: `source('crm', 'orders')` is table raw.crm_orders."""
    lines = [
        "version: 2",
        "",
        "sources:",
        f"  - name: {source.name}",
        f"    description: Change logs of {source.name} as ingestion wrote them, a row a version of a source row.",
        "    database: \"{{ env_var('LAKE_CATALOG', 'lake') }}\"",
        "    schema: \"{{ var('raw_schema') }}\"",
        "    loaded_at_field: _loaded_at",
        "    tables:",
    ]
    for table in tables:
        lines += [
            f"      - name: {quoted(table.table.removeprefix(f'{source.name}_'))}",
            f"        identifier: {quoted(table.table)}",
            f"        meta: {{dagster: {{asset_key: [raw, {quoted(table.table)}]}}}}",
        ]
    return "\n".join(lines) + "\n"


def check_name(source: Connection, checkout: Path = CHECKOUT) -> bool:
    """Return whether this very source is there already. Raises UsageError when its name is another's."""
    places = Places(source.name, checkout)
    if places.meltano.exists():
        config = _extractor(places.meltano)["config"]
        there = (config["host"], config["port"], config["database"], config["schema"])
        if there != (source.host, source.port, source.database, source.schema):
            raise UsageError(
                f"name={source.name!r} is taken by {config['database']} on {config['host']}:{config['port']}, schema "
                f"{config['schema']}; say another name=…, or first: make source remove={source.name}"
            )
        return True
    project = yaml.safe_load((checkout / "pipeline_code/ingestion/meltano.yml").read_text())
    taken = {each["name"] for each in project["plugins"]["extractors"]}
    if places.contracts.exists() or f"tap-{source.name}" in taken:
        raise UsageError(f"name={source.name!r} is taken by a source of the project; say another name=…")
    return False


def check_tables(source: Connection, tables: Sequence[Found], checkout: Path = CHECKOUT) -> None:
    """Raise LocalError when another source has a table that this one would write."""
    contracts = Places(source.name, checkout).contracts
    others = {path.stem: path for path in contracts.parent.glob("*/*.yml") if path.parent != contracts}
    both = sorted({table.table for table in tables if table.clash is None} & set(others))
    if both:
        owners = sorted({others[table].parent.name for table in both})
        raise LocalError(
            f"raw.{', raw.'.join(both)} would be two sources' (the other: {', '.join(owners)}); say name=…"
        )


def write(files: Mapping[Path, str]) -> list[Path]:
    """Write the files that are not there; return those that were, which stay as somebody may have changed them."""
    kept = []
    for path, text in files.items():
        if path.exists():
            kept.append(path)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.part")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    return kept


def remove(places: Places) -> list[Path]:
    """Take the files of a source back, the one that says that it exists last; return what others put beside them.

    Raises LocalError when a dbt model still reads the source: the next build would fail.
    """
    if NAME.fullmatch(places.name) is None or not places.meltano.exists():
        there = ", ".join(names(places.checkout)) or "none"
        raise UsageError(f"remove={places.name!r}: there is no such source; there are: {there}")
    readers = [path for path in sorted(_models(places)) if _reads(path, places.name)]
    if readers:
        listed = ", ".join(str(path.relative_to(places.checkout)) for path in readers)
        raise LocalError(f"source {places.name} is still read by {listed}; take them away first")
    if places.contracts.exists():
        shutil.rmtree(places.contracts)
    places.dbt.unlink(missing_ok=True)
    folder, left = places.dbt.parent, []
    if folder.exists():
        left = sorted(folder.iterdir())
        if not left:
            folder.rmdir()
    places.authorities.unlink(missing_ok=True)
    places.meltano.unlink()
    return left


def names(checkout: Path = CHECKOUT) -> list[str]:
    """Return the sources of the user's own, by name."""
    folder = checkout / "pipeline_code/ingestion/sources"
    return sorted(path.name.removesuffix(".meltano.yml") for path in folder.glob("*.meltano.yml"))


def place_of(places: Places) -> str:
    """Return where an added source is, in words."""
    config = _extractor(places.meltano)["config"]
    return f"{config['database']} on {config['host']}:{config['port']}, schema {config['schema']}"


def _models(places: Places) -> list[Path]:
    folder = places.checkout / "pipeline_code/transformation"
    return [path for part in ("models", "snapshots", "tests") for path in (folder / part).rglob("*.sql")]


def _reads(model: Path, name: str) -> bool:
    return re.search(rf"source\(\s*['\"]{name}['\"]", model.read_text(encoding="utf-8")) is not None


def _extractor(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["plugins"]["extractors"][0]
        return {**found, "config": {key: found["config"][key] for key in ("host", "port", "database", "schema")}}
    except (yaml.YAMLError, KeyError, IndexError, TypeError) as error:
        raise LocalError(f"{path} is not as `make source` writes it: {error!r}; correct it, or delete it") from error
