"""Files through tap and target as processes that are killed, by the entry point, and from an object store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGES
from crash_processes import Fault, run
from entry_point import EntryPoint
from exports import Exports
from pyarrow import fs
from services import Services
from tap_files.discover import discover
from tap_files.errors import FilesError
from tap_files.store import Store

STATE = "target_iceberg.target:write_state"
FAULTS = [
    Fault("tap", "before", "tap_files.reading:Reading.prepare"),
    Fault("tap", "before", "headwater_tap.handover:send"),
    Fault("tap", "before", "tap_files.csvfile:typed"),
    Fault("tap", "after", "headwater_tap.handover:send"),
    Fault("tap", "after", "tap_files.reading:Reading.end"),
    Fault("target", "before", "target_iceberg.run:Run.finish"),
    Fault("target", "before", "target_iceberg.commit.load:Load.commit_prepared"),
    Fault("target", "after", "target_iceberg.commit.load:Load.commit_prepared"),
    Fault("target", "before", STATE),
    Fault("target", "after", STATE),
]


def grow(exports: Exports, number: int) -> None:
    rows = "".join(f"{number}-{row},{row}.50\n" for row in range(200))
    exports.put(f"orders/{number}.csv", f"id,total\n{rows}")


def once(exports: Exports, fault: Fault | None = None) -> Any:
    """Run both from where the table stands, as headwater-ingest does, and keep the state."""
    config = {**exports.config, "batch_config": {"encoding": {"format": "pipe"}, "storage": exports.storage}}
    positions = exports.folder / "positions.json"
    positions.write_text(json.dumps(exports.positions("orders")))
    target = {"namespace": exports.namespace}
    outcome = run({**config, "positions_file": str(positions)}, target, exports.state, fault)
    if outcome.state is not None:
        exports.state = outcome.state
    return outcome


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    made = Exports(tmp_path, f"raw_{uuid.uuid4().hex[:12]}")
    made.root.mkdir()
    grow(made, 0)
    assert once(made).complete
    return made


def test_a_file_is_loaded_once_whoever_dies_when(exports: Exports) -> None:
    """Between the commit and the state rows are doubled, before it they are lost."""
    for number, fault in enumerate(FAULTS, start=1):
        grow(exports, number)
        outcome = once(exports, fault)
        assert -9 in {outcome.tap, outcome.target}, f"{fault}: not reached\n{outcome.log}"
        outcome = once(exports)
        assert outcome.complete, f"{fault}: {outcome.log}"
        ids = [value[0] for value in exports.values("orders")]
        assert len(ids) == len(set(ids)) == 200 * (number + 1), str(fault)


def test_what_make_source_writes_is_loaded_and_goes_on(
    exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that Meltano does not hand on, a contract that does not agree with the rows, or a second full read."""
    monkeypatch.syspath_prepend(PACKAGES.parents[2])
    from cli.sources import files, folder
    from cli.sources.found import parse_answer

    exports.put("people.csv", "name;size\nZoë;1,5\n".encode("cp1252"))
    source = folder.Folder("crm", str(exports.root))
    found = parse_answer(discover(source.request, {}))
    project = tmp_path / "checkout" / "pipeline_code" / "ingestion"
    shutil.copytree(PACKAGES.parent / "sources", project / "sources")
    shutil.copy(PACKAGES.parent / "meltano.yml", project)
    places = files.Places("crm", tmp_path / "checkout")
    files.write(files.rendered(places, folder.KIND, source, found.tables))
    ingest = EntryPoint(tmp_path, exports.namespace, {})
    place = {"MELTANO_PROJECT_ROOT": str(project), "HEADWATER_CONTRACTS": str(project / "contracts")}
    first = ingest("--tap", "tap-crm", "--full-refresh", **place)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "WARN" not in first.stdout, "the contract and the rows differ"
    assert exports.values("crm_people") == [("Zoë", exports.decimal("1.50"))]
    grow(exports, 1)
    second = ingest("--tap", "tap-crm", **place)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "crm_orders: 1 of 2 files are new or changed" in second.stdout
    ids = exports.merged("crm_orders", "id")
    assert len(ids) == len(set(ids)) == 400


def test_a_prefix_of_an_object_store_is_read(private_services: Services, tmp_path: Path) -> None:
    """The one place that the platform reads; a folder answers otherwise."""
    private_services.ensure()
    environment = private_services.lake.access.environment()
    config = {
        f"s3_{name}": environment[f"PYICEBERG_CATALOG__LAKE__S3__{name.upper()}"]
        for name in ("endpoint", "region", "access_key_id", "secret_access_key")
    }
    prefix = f"lake/files/{uuid.uuid4().hex}"
    store = fs.S3FileSystem(
        access_key=config["s3_access_key_id"], secret_key=config["s3_secret_access_key"], region=config["s3_region"],
        scheme="http", endpoint_override=config["s3_endpoint"].removeprefix("http://"),
    )  # fmt: skip
    made = Exports(tmp_path, f"raw_{uuid.uuid4().hex[:12]}", settings={"path": f"s3://{prefix}", **config})

    def put(name: str, content: bytes) -> None:
        with store.open_output_stream(f"{prefix}/{name}") as stream:
            stream.write(content)

    put("orders/1.csv", b"id,name\n1,a\n")
    put("orders/2026/2.jsonl", b'{"id": 2, "name": "b"}\n')
    made.replicate()
    assert sorted(made.values("orders")) == [(1, "a"), (2, "b")]
    before = made.table("orders").current_snapshot()
    made.replicate()
    assert made.table("orders").current_snapshot() == before
    put("orders/3.csv", b"id,name\n3,c\n")
    made.replicate()
    assert sorted(made.values("orders")) == [(1, "a"), (2, "b"), (3, "c")]
    with pytest.raises(FilesError, match="there is no such bucket"):
        Store("s3://no-such-bucket-here/x", config).files()
    with pytest.raises(FilesError, match=r"there is nothing there|is empty"):
        discover({"name": "x", "path": f"s3://{prefix}/nothing"}, environment)
    wrong = {**config, "s3_secret_access_key": "wrong-secret-key"}
    with pytest.raises(FilesError) as refused:
        Store(f"s3://{prefix}", wrong).files()
    assert "wrong-secret-key" not in str(refused.value)


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    """A traceback of forty lines, in which a user has to find the path."""
    config = tmp_path / "config.json"
    batches = {"encoding": {"format": "pipe"}, "storage": {"root": str(tmp_path)}}
    config.write_text(json.dumps({"path": str(tmp_path / "nowhere"), "batch_config": batches}))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-m", "tap_files.main", "--config", str(config)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "there is nothing there; check the path" in done.stderr


def test_a_file_that_can_not_be_read_stops_its_own_stream(
    exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One broken upload, and nothing of the source is loaded; or all seems well without it."""
    monkeypatch.syspath_prepend(PACKAGES.parents[2])
    from cli.sources import files, folder
    from cli.sources.found import parse_answer

    exports.put("people.csv", "name,size\nZoe,1\n")
    source = folder.Folder("crm", str(exports.root))
    found = parse_answer(discover(source.request, {}))
    project = tmp_path / "checkout" / "pipeline_code" / "ingestion"
    shutil.copytree(PACKAGES.parent / "sources", project / "sources")
    shutil.copy(PACKAGES.parent / "meltano.yml", project)
    files.write(files.rendered(files.Places("crm", tmp_path / "checkout"), folder.KIND, source, found.tables))
    ingest = EntryPoint(tmp_path, exports.namespace, {})
    place = {"MELTANO_PROJECT_ROOT": str(project), "HEADWATER_CONTRACTS": str(project / "contracts")}
    first = ingest("--tap", "tap-crm", "--full-refresh", **place)
    assert first.returncode == 0, first.stdout + first.stderr
    exports.put("people/2.parquet", b"PAR1 and no more")
    grow(exports, 1)
    second = ingest("--tap", "tap-crm", **place)
    assert second.returncode != 0
    assert "people/2.parquet is no readable Parquet" in second.stdout
    ids = exports.merged("crm_orders", "id")
    assert len(ids) == len(set(ids)) == 400
    assert exports.values("crm_people") == [("Zoe", 1)]
    exports.put("people/2.csv", "name,size\nJosé,2\n")
    (exports.root / "people/2.parquet").unlink()
    third = ingest("--tap", "tap-crm", **place)
    assert third.returncode == 0, third.stdout + third.stderr
    assert exports.values("crm_people") == [("Zoe", 1), ("José", 2)]
