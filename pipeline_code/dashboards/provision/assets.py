"""Import databases, datasets, charts and dashboards from YAML files, overwriting what they describe.

The files are Superset's own export format, so what someone exports from the browser can be dropped in as it is.
`${NAME}` in a file is replaced from the environment. What is no longer in the files is left alone in Superset.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any
from unittest import mock

import yaml
from shared_cache import runs_queries_in_workers

TRINO_USER = "superset"
METADATA = "version: 1.0.0\ntype: assets\ntimestamp: '2026-01-01T00:00:00+00:00'\n"


class AssetError(ValueError):
    """An asset file can't be used; the message names the file, the value and the way out."""


def read_assets(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Read every YAML file below `folder` and fill in its variables.

    Returns file name relative to `folder` → text, as Superset's importer takes it, with the bundle's metadata.
    Raises AssetError for an empty folder, an unknown variable and two files with one uuid.
    """
    paths = sorted(folder.rglob("*.yaml"))
    if not paths:
        raise AssetError(
            f"{folder}: no .yaml file below it; point --assets to the folder that has databases/, charts/ …"
        )
    contents = {"metadata.yaml": METADATA}
    file_of_uuid: dict[str, str] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            text = Template(path.read_text(encoding="utf-8")).substitute(variables)
        except KeyError as error:
            raise AssetError(f"{name}: variable {error} is not in the environment; set it") from error
        except ValueError as error:
            raise AssetError(f"{name}: {error}; a plain dollar sign is written $$") from error
        uuid = str(yaml.safe_load(text)["uuid"])
        if uuid in file_of_uuid:
            raise AssetError(f"{name}: uuid {uuid} is also that of {file_of_uuid[uuid]}; give it one of its own")
        file_of_uuid[uuid] = name
        contents[name] = text
    return contents


def dataset_uuids(contents: Mapping[str, str]) -> set[str]:
    """Return the uuids of the datasets among the files that `read_assets` has read."""
    return {str(yaml.safe_load(text)["uuid"]) for name, text in contents.items() if name.startswith("datasets/")}


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what asset files may name: the environment, the marts' schema, how to connect to Trino, who runs queries.

    TRINO_HTTP_SCHEME=https logs in as `superset` with TRINO_PASSWORD (letters and digits, so a URI needs no quoting),
    trusting the certificate in the file TRINO_CA. Raises AssetError when one of the two is not set.
    """
    scheme = environment.get("TRINO_HTTP_SCHEME", "http")
    workers = str(runs_queries_in_workers(environment)).lower()
    plain = {
        "SQL_LAB_IN_WORKERS": workers,
        "TRINO_HTTP_SCHEME": scheme,
        "TRINO_LOGIN": TRINO_USER,
        "TRINO_VERIFY": "true",
    }
    if scheme == "https":
        missing = [name for name in ("TRINO_PASSWORD", "TRINO_CA") if not environment.get(name)]
        if missing:
            raise AssetError(f"TRINO_HTTP_SCHEME is https, but {', '.join(missing)} is not set; set it")
        plain["TRINO_LOGIN"] = f"{TRINO_USER}:{environment['TRINO_PASSWORD']}"
        plain["TRINO_VERIFY"] = environment["TRINO_CA"]
    return {"MARTS_SCHEMA": "marts", **environment, **plain}


@contextmanager
def _no_warehouse_probes() -> Iterator[None]:
    """Keep the importer from asking the warehouse about catalogs, schemas and tables.

    It only logs the answers, the tables may not exist yet, and a Trino that is starting would cost retries for each.
    """
    from superset.models.core import Database

    importer = "superset.commands.database.importers.v1.utils"
    with mock.patch(f"{importer}.add_permissions"), mock.patch.object(Database, "has_table", return_value=True):
        yield


def import_assets(contents: dict[str, str], owner: Any) -> None:
    """Import the files in one transaction in the name of `owner`, an administrator.

    Raises AssetError, with each file's complaint, when one is not valid; nothing is imported then.
    """
    from superset.commands.exceptions import CommandInvalidError
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    with override_user(owner), _no_warehouse_probes():
        try:
            ImportAssetsCommand(contents).run()
        except CommandInvalidError as error:
            raise AssetError(f"assets refused by Superset: {error.normalized_messages()}") from error
