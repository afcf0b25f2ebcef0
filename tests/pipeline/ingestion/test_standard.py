"""The Singer SDK's own streams for targets, and what Meltano and its hub ask of the command."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest
from conftest import PACKAGES, Shop
from headwater_contracts import table_name
from headwater_singer import ConfigError
from target_iceberg.messages.singer import InputError
from target_iceberg.run import IncompleteStreamError
from target_iceberg.settings import PROGRAM, Settings
from test_target import ID, singer

FOLDER = files("singer_sdk.testing.target_test_streams")
STREAMS = {each.name.removesuffix(".singer"): each for each in FOLDER.iterdir()}
WRONG: dict[str, tuple[type[Exception], str]] = {
    "invalid_schema": (InputError, "line 1 of the input: SCHEMA of .* without `properties`"),
    "record_before_schema": (InputError, "line 1 of the input: RECORD of stream .* before its SCHEMA"),
    "record_missing_key_property": (IncompleteStreamError, "null, where the source promises a value"),
    "record_missing_required_property": (IncompleteStreamError, "null, where the source promises a value"),
}


@pytest.mark.parametrize("name", sorted(name for name in STREAMS if not name.startswith("__")))
def test_streams_of_the_sdk(new_shop: Callable[[], Shop], name: str) -> None:
    """A stream that SDK-built targets load must load here, every record of it, and the last state must come out."""
    shop, text = new_shop(), STREAMS[name].read_text(encoding="utf-8")
    if name in WRONG:
        kind, said = WRONG[name]
        with pytest.raises(kind, match=said):
            shop.load(text)
        return
    shop.load(text)
    messages = [json.loads(line) for line in text.splitlines()]
    sent = Counter(table_name(each["stream"]) for each in messages if each["type"] == "RECORD")
    assert {table: shop.count(table) for table in sent} == sent
    assert [shop.state] == ([each["value"] for each in messages if each["type"] == "STATE"] or [{}])[-1:]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 of the input: a Singer message: no JSON"),
        ("[" * 100_000, "no JSON"),
        ("7", "no JSON object"),
        ('{"type": "SCHEMAS", "stream": "pets"}', "type 'SCHEMAS' is not known"),
        ('{"type": ["RECORD"]}', "is not known"),
        ('{"type": "RECORD", "stream": "pets"}', "RECORD without `record`"),
        ('{"type": "RECORD", "stream": "pets", "record": [1]}', "RECORD without `record`, or it is no dict"),
        ('{"type": "STATE"}', "STATE without `value`"),
        ('{"type": "ACTIVATE_VERSION", "stream": "cats", "version": 1}', "ACTIVATE_VERSION of stream 'cats' before"),
        ('{"type": "BATCH", "stream": "pets", "encoding": {"format": "csv"}, "manifest": []}', "format 'csv'; known"),
    ],
)
def test_line_that_is_no_message_is_named_and_nothing_is_loaded(
    new_shop: Callable[[], Shop], line: str, said: str
) -> None:
    """Passed over, the line's rows would be missing in a run that is green."""
    shop = new_shop()
    schema, *others = singer({"id": 1}, schema=ID).splitlines()
    with pytest.raises(InputError, match=said):
        shop.load("\n".join([schema, line, *others]))
    assert shop.table("pets").snapshots() == []
    assert shop.state == {}


def test_what_the_specification_lets_taps_add_is_passed_over(new_shop: Callable[[], Shop]) -> None:
    shop = new_shop()
    schema, record, state = (json.loads(line) for line in singer({"id": 1}, schema=ID).splitlines())
    record |= {"version": 3, "time_extracted": "2026-01-01T00:00:00Z", "x": None}
    shop.load("\n\n \n".join(json.dumps(each) for each in ({**schema, "bookmark_properties": []}, record, state)))
    assert shop.count("pets") == 1


def test_state_comes_out_with_all_digits(new_shop: Callable[[], Shop]) -> None:
    """A replication key of a numeric column that is rounded up loses rows; the SDK could not write it at all."""
    shop = new_shop()
    state = '{"bookmarks": {"pets": {"replication_key_value": 12345678901234567890.123456789}}}'
    shop.load("\n".join([*singer({"id": 1}, schema=ID).splitlines()[:-1], f'{{"type": "STATE", "value": {state}}}']))
    assert shop.state == json.loads(state, parse_float=Decimal)
    shop.contract("key: [id]\nquarantine: {rows: 0}\n", "pets")
    with pytest.raises(IncompleteStreamError):
        shop.load(singer({"id": "one"}, schema=ID))
    assert shop.state == json.loads(state, parse_float=Decimal), "where the table stands"


def test_streams_that_take_turns_are_written_before_memory_is_full(
    new_shop: Callable[[], Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stream holds records back: of many, all together must be bounded, and none be lost."""
    monkeypatch.setattr("target_iceberg.target.HELD_BYTES", 300)
    shop = new_shop()
    streams = [singer(*({"id": number} for number in range(9)), schema=ID, stream=f"s{each}") for each in range(3)]
    lines = [line for turn in zip(*(text.splitlines()[:-1] for text in streams), strict=True) for line in turn]
    shop.load("\n".join(lines))
    assert [[row["id"] for row in shop.rows(f"s{each}", "id")] for each in range(3)] == [list(range(9))] * 3


def test_records_and_files_of_a_stream_stay_in_order(new_shop: Callable[[], Shop], tmp_path: Path) -> None:
    """Of a merge the last one counts: records that were held while a file passed would win over it."""
    shop = new_shop()
    shop.contract("key: [id]\nwrite: merge\n", "pets")
    file = tmp_path / "pets.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"id": 1, "name": "second"}\n\n'))
    schema, record, state = singer({"id": 1, "name": "first"}, schema={**ID, "name": {"type": "string"}}).splitlines()
    encoding = {"format": "jsonl", "compression": "gzip"}
    batch = {"type": "BATCH", "stream": "pets", "encoding": encoding, "manifest": [file.as_uri()]}
    shop.load("\n".join([schema, record, json.dumps(batch), state]))
    assert [row["name"] for row in shop.rows("pets", "id")] == ["second"]


# The command


def python(*arguments: str, lines: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    packages = os.pathsep.join(str(path) for path in sorted(PACKAGES.iterdir()))
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": packages, **environment},
        input=lines,
        capture_output=True,
        text=True,
        check=False,
    )


def command(*arguments: str, lines: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "target_iceberg.main", *arguments, lines=lines, **environment)


def test_settings_come_from_several_files_and_the_environment(new_shop: Callable[[], Shop], tmp_path: Path) -> None:
    shop = new_shop()
    for name, config in {"a": {"namespace": "wrong", "batch_size_rows": 2}, "b": {"publish": "each"}}.items():
        (tmp_path / name).write_text(json.dumps(config))
    (tmp_path / "input").write_text(singer({"id": 1}, schema=ID), encoding="utf-8")
    done = command(
        "--config", str(tmp_path / "a"), f"--config={tmp_path}/b", "--config", "ENV", "--input", f"{tmp_path}/input",
        TARGET_ICEBERG_NAMESPACE=shop.namespace, TARGET_ICEBERG_BATCH_SIZE_ROWS="7",
    )  # fmt: skip
    assert json.loads(done.stdout) == {"bookmarks": {"pets": {"position": 1}}}, done.stderr
    assert shop.count("pets") == 1


def test_hub_reads_what_the_target_can_and_takes() -> None:
    about = json.loads(command("--about", "--format=json").stdout)
    assert about["name"] == "target-iceberg"
    assert about["capabilities"] == ["about", "activate-version", "batch"]
    assert about["settings"]["properties"]["publish"]["enum"] == ["together", "each"]
    assert '| namespace | False | `"raw"` |' in command("--about").stdout
    assert command("--version").stdout.startswith("target-iceberg v")
    assert "--config FILE" in command("--help").stdout


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"typo": 1}', "typo is not known; settings are catalog, namespace"),
        ('{"stream_maps": {}}', "stream_maps is not known"),
        ('{"namespace": 7, "publish": "x"}', "namespace: 7 is no string; publish: 'x'; allowed are together, each"),
        ('{"batch_size_rows": true}', "batch_size_rows: True is no integer"),
        ('{"batch_size_rows": 0}', "batch_size_rows: 0; the least is 1"),
        ("[]", "holds no JSON object"),
        ("{", "can't be read"),
        (None, "can't be read"),
    ],
)
def test_wrong_setting_is_named(tmp_path: Path, config: str | None, said: str) -> None:
    """A setting that is passed over in silence is one that somebody believes in."""
    file = tmp_path / "config.json"
    if config is not None:
        file.write_text(config)
    with pytest.raises(ConfigError) as error:
        Settings.of(PROGRAM.config([str(file)]))
    assert said in str(error.value)


def test_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"typo": 1}')
    wrong = command("--config", str(tmp_path / "config.json"))
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (1, "", 1)
    broken = command(lines="no\n")
    assert broken.returncode == 1
    assert broken.stderr.splitlines()[-1].startswith("target-iceberg: line 1 of the input: a Singer message: no JSON")


def test_secret_value_is_not_shown() -> None:
    from headwater_singer import Program, Setting

    program = Program("tap", "tap", "", (), (Setting("password", str, "", secret=True, required=True),))
    with pytest.raises(ConfigError, match="password: the value is no string"):
        program.checked({"password": 12345})
    assert json.loads(program.about("json"))["settings"]["properties"]["password"]["secret"] is True


def test_target_starts_without_the_sdk() -> None:
    """Importing it costs as much CPU as moving a million rows."""
    code = "import sys, target_iceberg.main, target_iceberg.run, target_iceberg.admin; print(*sys.modules)"
    loaded = python("-c", code).stdout.split()
    assert "singer_sdk" not in loaded
    assert "target_iceberg.commit.load" in loaded
