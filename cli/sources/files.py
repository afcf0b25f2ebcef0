"""The files of a source: writes them from what was found, lists them, and removes them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cli.sources import rendering
from cli.sources.found import Found
from cli.sources.kinds import Kind, Source, kinds
from cli.sources.naming import NAME
from localstack.errors import LocalError, UsageError
from localstack.home import CHECKOUT


class Places:
    """Where the files of a source are in a checkout."""

    def __init__(self, name: str, checkout: Path = CHECKOUT) -> None:
        self.name, self.checkout = name, checkout
        self.meltano = checkout / "pipeline_code/ingestion/sources" / f"{name}.meltano.yml"
        """Connection and replication; while it is there, so is the source."""
        self.contracts = checkout / "pipeline_code/ingestion/contracts" / name
        """Folder of the contracts, from which Dagster makes its assets."""
        self.dbt = checkout / "pipeline_code/transformation/models/staging" / name / "_sources.yml"
        """Tables as dbt sources."""

    def beside(self, suffix: str) -> Path:
        """Return a further file of the source beside its Meltano file."""
        return self.meltano.with_name(f"{self.name}{suffix}")

    def tables(self) -> list[str]:
        """Return the tables in `raw` that have a contract."""
        return sorted(path.stem for path in self.contracts.glob("*.yml") if path.name != "_source.yml")


def rendered(places: Places, kind: Kind, source: Source, tables: Sequence[Found]) -> dict[Path, str]:
    """Return the files of a source, the one that says that it exists first."""
    loaded = [table for table in tables if table.clash is None]
    return {
        places.meltano: rendering.meltano_file(kind, source, tables),
        **{places.beside(suffix): text for suffix, text in source.beside.items()},
        places.contracts / "_source.yml": rendering.source_file(kind, source),
        **{places.contracts / f"{table.table}.yml": table.contract for table in loaded},
        places.dbt: rendering.dbt_file(source, loaded),
    }


def check_name(source: Source, checkout: Path = CHECKOUT) -> bool:
    """Return whether this very source is there already. Raises UsageError when its name is another's."""
    places = Places(source.name, checkout)
    if places.meltano.exists():
        config = _extractor(places.meltano)["config"]
        if {name: config.get(name) for name in source.identity} != source.identity:
            raise UsageError(
                f"name={source.name!r} is taken by {place_of(places)}; say another name=…, or first: "
                f"make source remove={source.name}"
            )
        _check_given(source, config.get("streams") or {}, places.meltano)
        return True
    project = yaml.safe_load((checkout / "pipeline_code/ingestion/meltano.yml").read_text())
    taken = {each["name"] for each in project["plugins"]["extractors"]}
    if places.contracts.exists() or f"tap-{source.name}" in taken:
        raise UsageError(f"name={source.name!r} is taken by a source of the project; say another name=…")
    return False


def _check_given(source: Source, streams: Mapping[str, Any], path: Path) -> None:
    """Raise UsageError where `set=` says something else than the file that is there, which stays as it is."""
    for stream, given in source.given.items():
        there = streams.get(stream) or {}
        for name, value in given.items():
            if there.get(name) != value:
                raise UsageError(
                    f"set={stream}.{name}: {path} is there and says {there.get(name)!r}, not {value!r}; change it "
                    f"there, then `pulumi up`; or first: make source remove={source.name}"
                )


def check_tables(source: Source, tables: Sequence[Found], checkout: Path = CHECKOUT) -> None:
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
    # What else is called after the source, such as certificates, and the Meltano file last.
    for path in places.meltano.parent.glob(f"{places.name}.*"):
        if path != places.meltano:
            path.unlink()
    places.meltano.unlink()
    return left


def names(checkout: Path = CHECKOUT) -> list[str]:
    """Return the sources of the user's own, by name."""
    folder = checkout / "pipeline_code/ingestion/sources"
    return sorted(path.name.removesuffix(".meltano.yml") for path in folder.glob("*.meltano.yml"))


def streams(checkout: Path = CHECKOUT) -> list[str]:
    """Return the streams of all sources that have contracts, by the names of their files."""
    folder = checkout / "pipeline_code/ingestion/contracts"
    return sorted(path.stem for path in folder.glob("*/*.yml") if path.name != "_source.yml")


def place_of(places: Places) -> str:
    """Return where an added source is, in words."""
    extractor = _extractor(places.meltano)
    kind = next((each for each in kinds() if each.tap == extractor["inherit_from"]), None)
    try:
        if kind is None:
            raise KeyError(extractor["inherit_from"])
        return kind.place_of(extractor["config"])
    except KeyError as error:
        raise _unreadable(places.meltano, error) from error


def _models(places: Places) -> list[Path]:
    folder = places.checkout / "pipeline_code/transformation"
    return [path for part in ("models", "snapshots", "tests") for path in (folder / part).rglob("*.sql")]


def _reads(model: Path, name: str) -> bool:
    return re.search(rf"source\(\s*['\"]{name}['\"]", model.read_text(encoding="utf-8")) is not None


def _extractor(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["plugins"]["extractors"][0]
        return {"inherit_from": found["inherit_from"], "config": dict(found["config"])}
    except (yaml.YAMLError, KeyError, IndexError, TypeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> LocalError:
    return LocalError(f"{path} is not as `make source` writes it: {error!r}; correct it, or delete it")
