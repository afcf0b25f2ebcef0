"""`make source add=./folder`: what is refused, what is written, and which files are copied."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.sources import discovery, files, folder, kinds, upload
from cli.sources.files import Places
from cli.sources.found import Found, parse_answer
from localstack.errors import UsageError

ORDERS = Found(
    "orders", "crm_orders", "crm_orders", ("order_id",), "_modified", 12, None, "stream: crm_orders\nversion: 1\n", 3,
    {"delimiter": ";", "header": True, "encoding": "cp1252"},
)  # fmt: skip


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    made = tmp_path / "My Exports"
    (made / "orders").mkdir(parents=True)
    (made / "orders" / "a.csv").write_text("id\n1\n")
    (made / ".DS_Store").write_text("x")
    return made


def test_a_folder_is_read_from_where_it_is_copied_to(exports: Path) -> None:
    """A path of the user's machine in the Meltano file, which no pod has."""
    kind, source = kinds.parse(str(exports), None, None, bucket="lake")
    assert (kind, source.name, source.asks) == (folder.KIND, "my_exports", None)
    assert dict(source.request) == {"name": "my_exports", "path": "s3://lake/files/my_exports"}
    assert kinds.parse(str(exports), "crm", None, bucket="lake")[1].command == f"make source add='{exports}' name=crm"
    assert (
        kinds.parse("s3://exports-of-crm/a/daily/", None, None, bucket="lake")[1].request["path"]
        == "s3://exports-of-crm/a/daily"
    )
    assert kinds.parse("s3://exports/a/daily/", None, None, bucket="lake")[1].name == "daily"


@pytest.mark.parametrize(
    ("address", "schema", "says"),
    [
        ("./nowhere", None, "is not there"),
        ("pyproject.toml", None, "for example: make source add=postgres"),
        ("./pyproject.toml", None, "is a file, not a folder"),
        ("s3://", None, "use s3://bucket/prefix"),
        ("s3://key:secret@bucket/x", None, "credentials are ingestion's own"),
        ("s3://bucket/$x", None, "Meltano"),
        ("s3://bucket/x", "public", "schema= goes with a database"),
        ("gs://bucket/x", None, "no such kind of source; allowed: postgres, postgresql, s3, or a folder"),
    ],
)
def test_an_address_that_cannot_be_is_refused(address: str, schema: str | None, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        kinds.parse(address, None, schema, bucket="lake")
    assert says in str(raised.value)
    assert "key:secret" not in str(raised.value)


def test_an_empty_folder_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is empty"):
        kinds.parse(str(tmp_path), "crm", None, bucket="lake")


def test_what_was_found_out_is_a_setting_that_can_be_changed(tmp_path: Path, exports: Path) -> None:
    """A dialect that is guessed anew in each run, and guessed wrong by the file that matters."""
    ingestion = tmp_path / "pipeline_code/ingestion"
    (ingestion / "sources").mkdir(parents=True)
    (ingestion / "contracts").mkdir()
    (ingestion / "meltano.yml").write_text("plugins: {extractors: [{name: tap-files}]}\n")
    _, source = kinds.parse(str(exports), "crm", None, bucket="lake")
    places = Places("crm", tmp_path)
    files.write(files.rendered(places, folder.KIND, source, [ORDERS]))
    extractor = yaml.safe_load(places.meltano.read_text())["plugins"]["extractors"][0]
    assert extractor["inherit_from"] == "tap-files"
    assert extractor["config"]["streams"] == {"orders": {"delimiter": ";", "header": True, "encoding": "cp1252"}}
    assert extractor["metadata"] == {
        "crm_orders": {"replication-method": "INCREMENTAL", "replication-key": "_modified"}
    }
    assert "password" not in extractor["config"]
    assert yaml.safe_load((places.contracts / "_source.yml").read_text())["kind"] == "files"
    assert files.place_of(places) == "s3://lake/files/crm"
    assert files.check_name(source, tmp_path) is True
    with pytest.raises(UsageError, match=r"taken by s3://lake/files/crm"):
        files.check_name(kinds.parse("s3://other/crm", "crm", None, bucket="lake")[1], tmp_path)
    with pytest.raises(UsageError, match=r"taken by s3://lake/files/crm"):
        files.check_name(kinds.parse("postgres://reader@h/crm", "crm", None, bucket="lake")[1], tmp_path)


def test_what_is_said_beforehand_is_what_is_looked_for_and_written(tmp_path: Path, exports: Path) -> None:
    """The look guesses wrong, and there is no file yet in which it could be corrected."""
    said = r"""orders.skip=3 orders.delimiter=; orders.quote="'" orders.header=false orders.null=NULL,\N"""
    said += r" tabs.delimiter=\t"
    _, source = kinds.parse(str(exports), "crm", None, said, bucket="lake")
    given: dict[str, dict[str, Any]] = {
        "orders": {"skip": 3, "delimiter": ";", "quote": "'", "header": False, "null": ["NULL", r"\N"]},
        "tabs": {"delimiter": r"\t"},
    }
    assert source.request["streams"] == given
    assert "set='orders.skip=3 orders.delimiter=;" in source.command
    (tmp_path / "pipeline_code/ingestion/sources").mkdir(parents=True)
    places = Places("crm", tmp_path)
    files.write(files.rendered(places, folder.KIND, source.without(["broken"]), [ORDERS]))
    written = yaml.safe_load(places.meltano.read_text())["plugins"]["extractors"][0]["config"]["streams"]
    assert written["orders"] == {**ORDERS.settings, **given["orders"]}
    assert written["broken"] == {"leave_out": True}
    assert files.check_name(source, tmp_path) is True
    with pytest.raises(UsageError, match=r"set=orders.skip: .*crm.meltano.yml is there and says 3, not 4"):
        files.check_name(kinds.parse(str(exports), "crm", None, "orders.skip=4", bucket="lake")[1], tmp_path)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("orders.delimeter=;", "'delimeter' is no setting; allowed: files, delimiter, quote"),
        ("skip=3", "is not STREAM.SETTING=VALUE; for example set='orders.skip=3"),
        ("orders.skip=three", "use a number of lines"),
        ("orders.header=yes", "use true or false"),
        ("orders.quote='", "No closing quotation"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(exports: Path, said: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        kinds.parse(str(exports), "crm", None, said, bucket="lake")
    assert says in str(raised.value)


def test_a_database_has_no_such_settings() -> None:
    with pytest.raises(UsageError, match="set= goes with files"):
        kinds.parse("postgres://reader@h/crm", None, None, "orders.skip=1", bucket="lake")


def test_the_job_gets_the_lakes_store_and_nothing_else() -> None:
    """Files that can't be looked at, or the catalog's token in a command that needs none."""
    names = ["PYICEBERG_CATALOG__LAKE__S3__ENDPOINT", "PYICEBERG_CATALOG__LAKE__TOKEN", "MELTANO_DATABASE_URI"]
    container = {"name": "ingestion", "image": "i", "env": [{"name": name, "value": "x"} for name in names]}
    spec = {"template": {"spec": {"containers": [container]}}}
    template = {"metadata": {"namespace": "headwater"}, "spec": {"jobTemplate": {"spec": spec}}}
    (changed,) = discovery.job_manifest(template, "n", folder.KIND)["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in changed["env"]] == [names[0], discovery.VARIABLE]
    assert changed["command"] == ["headwater-discover-files"]


def test_what_discovery_says_beside_is_shown() -> None:
    table = {
        "name": "orders", "stream": "crm_orders", "table": "crm_orders", "key": ["_file", "_row"], "rows": 1200,
        "replication_key": "_modified", "clash": None, "contract": "", "files": 2, "settings": {"delimiter": "|"},
    }  # fmt: skip
    found = parse_answer({"tables": [table], "notes": ["left out, its format is not read: a.pdf"]})
    shown = str(found.tables[0])
    assert shown == "orders: 1,200 rows in 2 files, key _file, _row, changes by _modified, delimiter '|'"
    assert found.notes == ("left out, its format is not read: a.pdf",)


class Bucket:
    """As much of an S3 client as a copy needs; the real one is in the platform's tests."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, dict[str, str]]] = {}
        self.uploads: list[str] = []

    def get_paginator(self, _name: str) -> Bucket:
        return self

    def paginate(self, **wanted: str) -> list[dict[str, Any]]:
        keys = [key for key in self.objects if key.startswith(wanted["Prefix"])]
        return [{"Contents": [{"Key": key, "Size": self.objects[key][0]} for key in keys]}, {}]

    def head_object(self, **wanted: str) -> dict[str, Any]:
        return {"Metadata": self.objects[wanted["Key"]][1]}

    def upload_file(self, path: str, _bucket: str, key: str, **options: Any) -> None:
        self.objects[key] = (os.stat(path).st_size, options["ExtraArgs"]["Metadata"])
        self.uploads.append(key)


class Silent:
    def update(self, _text: str) -> None: ...

    def run(self, *_: Any, **__: Any) -> None: ...


SILENT: Any = Silent()


def test_a_second_copy_takes_what_is_new_or_changed_and_the_oldest_first(exports: Path) -> None:
    """A folder that grows is copied whole each time; or an older row replaces a newer one of its key."""
    bucket = Bucket()
    (exports / "orders" / "0.csv").write_text("id\n2\n")
    os.utime(exports / "orders" / "a.csv", ns=(1, 1))
    assert upload.copy(bucket, exports, "lake", "files/crm", SILENT) == (2, 10, 0)
    assert bucket.uploads == ["files/crm/orders/a.csv", "files/crm/orders/0.csv"]
    (exports / "orders" / "a.csv").write_text("id\n9\n")  # of the same size
    assert upload.copy(bucket, exports, "lake", "files/crm", SILENT) == (1, 5, 1)
    assert bucket.uploads[2:] == ["files/crm/orders/a.csv"]
    assert json.loads(json.dumps(bucket.objects["files/crm/orders/a.csv"][1]))[upload.WRITTEN] != "1"
