"""Files as Singer records, for targets that take no Parquet: the same rows as in batches."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

from exports import Exports
from tap_files.main import Run
from tap_files.settings import PROGRAM


def test_records_say_the_same_as_batches(exports: Exports) -> None:
    """Any other target gets other values than ours."""
    exports.put("orders/1.csv", "id,total,at\n1,1.50,2026-11-01T10:00:00\nx\n")
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with (
        contextlib.redirect_stdout(output),
        contextlib.closing(Run(PROGRAM.checked({"path": str(exports.root)}))) as tap,
    ):
        tap.sync(None, {})
    output.seek(0)
    messages = [json.loads(line) for line in output.read().splitlines()]
    (record,) = [each["record"] for each in messages if each["type"] == "RECORD" and each["stream"] == "orders"]
    assert (record["id"], record["total"], record["at"]) == (1, 1.5, "2026-11-01T10:00:00")
    assert [
        each["record"]["value"] for each in messages if each.get("stream") == "quarantine" and "record" in each
    ] == ["x"]
    bulk = [json.loads(line) for line in exports.extract()]
    schemas = [[each for each in said if each["type"] == "SCHEMA"] for said in (bulk, messages)]
    assert schemas[0] == schemas[1]
    states = [[each["value"] for each in said if each["type"] == "STATE"] for said in (bulk, messages)]
    assert states[0][-1]["bookmarks"] == states[1][-1]["bookmarks"]


def test_records_leave_no_scratch_files(exports: Exports, tmp_path: Path) -> None:
    """A folder below /tmp a run, with text of the files, on a machine that stays."""
    exports.put("orders/1.csv", "id,total\n1,1.50\n")
    (tmp_path / "config.json").write_text(json.dumps({"path": str(exports.root)}))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "tap_files.main", "--config", str(tmp_path / "config.json")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(scratch)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"RECORD"' in done.stdout
    assert list(scratch.iterdir()) == []
