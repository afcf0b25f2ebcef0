"""`make source add=…` against a kubectl that answers from a recording: a source that can't be read changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cli import main as cli
from cli.commands import source as command
from cli.platform.kube import Kube
from cli.sources import files
from cli.sources.kinds import Source
from localstack.console import Console
from localstack.errors import StepFailed
from localstack.home import CHECKOUT, Home

PASSWORD = "hush-hush"
CRONJOB = {
    "kind": "CronJob",
    "metadata": {"name": "ingestion", "namespace": "headwater"},
    "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "ingestion", "env": []}]}}}}},
}
ENDED = {
    "kind": "Pod",
    "metadata": {"name": "pod"},
    "status": {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 1}}}]},
}
KUBECTL = """#!/bin/sh
folder=$(dirname "$0")
echo "$*" >>"$folder/arguments"
case "$*" in
    *"get cronjob/"*) cat "$folder/cronjob.json" ;;
    *"get pods "*) printf '{"kind": "List", "items": [%s]}' "$(cat "$folder/pod.json")" ;;
    *"get pod/"*) cat "$folder/pod.json" ;;
    *"get events "*) echo '{"kind": "List", "items": []}' ;;
    *"create -f -"*) cat >>"$folder/created" ;;
    *logs*) cat "$folder/log" ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose kubectl is a script; returns the folder with what it was told."""
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))
    monkeypatch.delenv("HEADWATER_KUBE_CONTEXT", raising=False)
    (tmp_path / "kubeconfig").write_text("")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl").write_text(KUBECTL)
    (folder / "kubectl").chmod(0o755)
    (folder / "cronjob.json").write_text(json.dumps(CRONJOB))
    (folder / "pod.json").write_text(json.dumps(ENDED))
    (folder / "log").write_text('{"error": "db.internal:5432 can\'t be reached from the cluster (timed out)"}\n')
    return folder


def test_a_source_that_cannot_be_reached_changes_nothing(
    cluster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a source in the checkout, a password that stays behind, or one that `ps` shows."""
    monkeypatch.setenv("HEADWATER_MAKE_VARIABLES", "add")
    monkeypatch.setenv("add", f"postgres://reader:{PASSWORD}@db.internal/never_added")
    assert cli.main(["source"]) == 1
    shown = capsys.readouterr().out
    assert "db.internal:5432 can't be reached from the cluster" in shown
    assert "continue:  make source add='postgres://reader@db.internal:5432/never_added'" in shown
    assert "never_added" not in files.names()
    assert not files.Places("never_added", CHECKOUT).contracts.exists()
    assert not (cluster.parent / "state" / "source-passwords.json").exists()
    told = (cluster / "arguments").read_text()
    secret = json.loads((cluster / "created").read_text().split("}{")[0] + "}")
    assert PASSWORD in secret["stringData"]["source"]
    assert f"delete secret -n headwater {secret['metadata']['name']}" in told
    assert f"delete job -n headwater {secret['metadata']['name']}" in told
    everything = [shown, told, *(path.read_text() for path in (cluster.parent / "logs").iterdir())]
    assert not any(PASSWORD in text for text in everything)


def test_a_stopped_platform_is_told_before_anything_else(
    cluster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (cluster / "kubectl").write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("HEADWATER_MAKE_VARIABLES", "add")
    monkeypatch.setenv("add", f"postgres://reader:{PASSWORD}@db.internal/never_added")
    assert cli.main(["source"]) == 1
    assert "`make up` starts it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (
            "meltano | ERROR: Loader failed\ningestion failed: exited with 1\n"
            "FAIL: crm_t was not loaded: line 1 is no JSON. Correct it.\nWARN: x\n",
            "crm_t was not loaded: line 1 is no JSON. Correct it.",
        ),
        (
            "tap-crm | ERROR: tap_files.errors.FilesError: file t/1.csv can't be read\nmeltano | ERROR: failed\n",
            "FilesError: file t/1.csv can't be read",
        ),
        ("\nKilled\n", "Killed"),
        ("", "it said nothing"),
    ],
)
def test_a_first_load_that_fails_says_why(cluster: Path, log: str, why: str) -> None:
    """After two minutes the user is sent to look for the reason in a log of hundreds of lines."""
    (cluster / "log").write_text(log)
    home = Home.default()
    source = cast("Source", SimpleNamespace(name="crm"))
    with pytest.raises(StepFailed, match=f"ended with 1: {why}$"):
        command.load(Kube.of(home, "dev"), Console("source", home.logs, plain=True), source, full=True)
