"""The tap's command says what the Singer SDK's classes say of the same tables, in bulk and as records."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGES, Shop
from headwater_singer import ConfigError
from headwater_tap.selection import selection
from singer_sdk import Stream, Tap
from singer_sdk.singerlib import Catalog
from tap_postgres_arrow import catalog as ours
from tap_postgres_arrow.main import Run
from tap_postgres_arrow.settings import PROGRAM


def discovered(shop: Shop) -> dict[str, Any]:
    with contextlib.closing(Run(PROGRAM.checked(shop.settings))) as run:
        return run.discover()


@pytest.fixture
def varied(shop: Shop) -> Shop:
    shop.execute(
        "create table shop.empty (id int primary key, updated_at timestamptz)",
        "create table shop.lines (line int, order_id int, note text, primary key (order_id, line))",
        "insert into shop.lines values (1, 1, 'é'), (2, 1, null)",
        "create table shop.keyless (x numeric(12,2), updated_at date)",
    )
    return shop


class Described(Stream):
    """A table as a stream of the SDK."""

    def get_records(self, context: Any) -> Any:
        raise NotImplementedError


class TapOfTheSdk(Tap):
    """The tables of a shop, described through the SDK."""

    name = "tap-of-the-sdk"
    config_jsonschema: dict[str, Any] = {"properties": {}}  # noqa: RUF012 - as the SDK has it
    tables: Any = ()

    def discover_streams(self) -> list[Stream]:
        streams = []
        for table in self.tables:
            stream = Described(self, schema=ours.json_schema(table), name=table.stream)
            stream.primary_keys = list(table.primary_key)
            stream.replication_key = ours.replication_key(table, "updated_at")
            streams.append(stream)
        return streams


def test_discovery_is_the_sdks(varied: Shop) -> None:
    """Meltano reads and edits the catalog: it must have what that of every other tap has."""
    with contextlib.closing(Run(PROGRAM.checked(varied.settings))) as run:
        TapOfTheSdk.tables = run.tables()
        assert run.discover() == json.loads(TapOfTheSdk(setup_mapper=False).catalog_json_text)


@pytest.mark.parametrize("stream", [True, False, None])
@pytest.mark.parametrize("column", [True, False, None])
@pytest.mark.parametrize("inclusion", ["available", "automatic", "unsupported"])
def test_selection_is_the_sdks(varied: Shop, stream: bool | None, column: bool | None, inclusion: str) -> None:
    catalog = discovered(varied)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if item["breadcrumb"] == [] and stream is not None:
                item["metadata"]["selected"] = stream
            elif item["breadcrumb"][-1:] == ["note"]:
                item["metadata"] = {"inclusion": inclusion, **({} if column is None else {"selected": column})}
    parsed = Catalog.from_dict(json.loads(json.dumps(catalog)))
    for entry in catalog["streams"]:
        mask = parsed[entry["tap_stream_id"]].metadata.resolve_selection()
        chosen = selection(entry)
        assert (chosen is not None) == mask[()]
        if chosen is not None:
            columns = [name for name in entry["schema"]["properties"] if mask["properties", name]]
            assert list(chosen.schema["properties"]) == columns


def test_records_and_batches_are_announced_alike(varied: Shop) -> None:
    """For the first run and the next: what a target does must not depend on how rows come."""
    for _ in range(2):
        bulk, records = (varied.extract(**settings) for settings in ({}, {"batch_config": None}))
        assert {"SCHEMA", "BATCH", "STATE"} <= {each["type"] for each in bulk}
        sides = [
            [
                {name: value for name, value in each.items() if name != "version"}
                for each in said
                if each["type"] not in {"RECORD", "BATCH"}
            ]
            for said in (bulk, records)
        ]
        for bookmark in (each for side in sides for each in side[-1]["value"]["bookmarks"].values()):
            bookmark.pop("source_snapshot", None)
        assert sides[0][-1] == sides[1][-1]
        assert [each for each in sides[0] if each["type"] != "STATE"] == [
            each for each in sides[1] if each["type"] != "STATE"
        ]
        varied.load(bulk)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"batch_config": {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp"}}},
            "batch_config: .*jsonl",
        ),
        ({"batch_config": {"encoding": {"format": "arrow"}, "storage": {"root": "/"}, "batch_size": 5}}, "batch_size"),
        ({"batch_config": "arrow"}, "batch_config: 'arrow' is no object"),
        ({"port": "5432"}, "port: '5432' is no integer"),
        ({"port": True}, "port: True is no integer"),
        ({"host": None}, "host is missing"),
        ({"stream_maps": {}}, "stream_maps is not known"),
        ({"password": 7}, "password: the value is no string"),
    ],
    ids=str,
)
def test_wrong_setting_is_named(change: dict[str, Any], said: str) -> None:
    """Stream maps must not be passed over in silence."""
    plain = {"host": "h", "port": 1, "database": "d", "user": "u", "password": "p"}
    assert PROGRAM.checked(plain)["readers"] == 2
    with pytest.raises(ConfigError, match=said):
        PROGRAM.checked({**plain, **change})


# The command


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    packages = os.pathsep.join(str(path) for path in sorted(PACKAGES.iterdir()))
    return subprocess.run(
        [sys.executable, "-m", "tap_postgres_arrow.main", *arguments],
        env={**os.environ, "PYTHONPATH": packages, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_command_discovers_and_reads_what_meltano_gives_it(varied: Shop, tmp_path: Path) -> None:
    settings = {**varied.settings, "batch_config": None, "password": None}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    varied.execute("truncate shop.orders")
    given = ["--config", str(tmp_path / "config.json"), "--config", "ENV"]
    secret = {"TAP_POSTGRES_ARROW_PASSWORD": varied.settings["password"]}
    found = command(*given, "--discover", **secret)
    assert {each["stream"] for each in json.loads(found.stdout)["streams"]} == {"empty", "keyless", "lines", "orders"}
    catalog = json.loads(found.stdout)
    for entry in catalog["streams"]:
        entry["selected"] = True
        for item in entry["metadata"]:
            if item["breadcrumb"] == []:
                item["metadata"]["selected"] = entry["stream"] == "lines"
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    (tmp_path / "state.json").write_text('{"bookmarks": {"other": {"x": 1}}}')
    paths = ["--catalog", str(tmp_path / "catalog.json"), "--state", str(tmp_path / "state.json")]
    done = command(*given, *paths, **secret)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["stream"] for each in said if "stream" in each} == {"lines"}
    assert [each["record"]["note"] for each in said if each["type"] == "RECORD"] == ["é", None]
    assert said[-1]["value"]["bookmarks"]["other"] == {"x": 1}


def test_command_says_what_it_can_and_what_is_missing(tmp_path: Path) -> None:
    about = json.loads(command("--about", "--format", "json").stdout)
    assert {"catalog", "discover", "state"} <= set(about["capabilities"])
    assert about["settings"]["required"] == ["host", "database", "user", "password"]
    assert about["settings"]["properties"]["password"]["secret"] is True
    wrong = command("--config", str(tmp_path / "none.json"))
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("tap-postgres-arrow: file ")
    missing = command()
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert "host is missing; database is missing" in missing.stderr
