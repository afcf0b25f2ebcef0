"""Processes are found again, and only they are ever stopped."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localstack import daemons
from localstack.daemons import Daemon, Record
from localstack.errors import LocalError


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    process = Daemon("sleeper", tmp_path / "run", tmp_path / "logs")
    yield process
    process.stop(grace_s=1)


def recorded(daemon: Daemon) -> Record:
    """The record of a daemon that was started."""
    record = daemon.record()
    assert record is not None
    return record


def test_start_time_is_read_past_a_command_name_with_brackets_and_blanks() -> None:
    line = "42 (evil) name (x)) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1"
    assert daemons.parse_stat(line) == ("S", 987654)


def test_a_second_start_starts_nothing(daemon: Daemon) -> None:
    assert daemon.start(["sleep", "60"])
    pid = recorded(daemon).pid
    assert not daemon.start(["sleep", "60"])
    assert recorded(daemon).pid == pid


def test_a_recycled_pid_is_neither_alive_nor_killed(daemon: Daemon) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        _, start = daemons.parse_stat(Path(f"/proc/{stranger.pid}/stat").read_text())
        record = Record(stranger.pid, start - 1, daemons.boot_id(), ("sleep", "60"))
        daemon.run.mkdir()
        daemon.record_file.write_text(json.dumps(record.__dict__))
        assert not daemon.alive()
        daemon.stop(grace_s=1)
        assert stranger.poll() is None, "a process that is not ours was killed"
        stranger.kill()


def test_a_record_of_an_earlier_boot_is_not_alive(daemon: Daemon) -> None:
    daemon.start(["sleep", "60"])
    record = recorded(daemon)
    assert daemons.is_alive(record)
    assert not daemons.is_alive(replace(record, boot_id="another"))


def test_stop_kills_what_ignores_the_polite_signal(daemon: Daemon) -> None:
    daemon.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    record = recorded(daemon)
    while "ready" not in daemon.tail():
        assert daemon.alive()
    daemon.stop(grace_s=0.2)
    assert not daemons.is_alive(record)
    assert not daemon.record_file.exists()


def test_a_changed_configuration_is_noticed(daemon: Daemon) -> None:
    daemon.start(["sleep", "60"], fingerprint="a")
    assert daemon.started_as(["sleep", "60"], "a")
    assert not daemon.started_as(["sleep", "60"], "b")
    assert not daemon.started_as(["sleep", "61"], "a")


def test_a_cut_off_record_counts_as_none(daemon: Daemon) -> None:
    daemon.run.mkdir()
    daemon.record_file.write_text('{"pid": 1')
    assert daemon.record() is None
    assert not daemon.alive()


def test_the_process_outlives_an_interrupt_of_its_starter(daemon: Daemon) -> None:
    daemon.start(["sleep", "60"])
    assert os.getsid(recorded(daemon).pid) != os.getsid(0)


def test_waiting_ends_when_the_process_does(tmp_path: Path) -> None:
    """A minute of nothing, and then "does not answer", where the log says why."""
    broken = Daemon("broken", tmp_path / "run", tmp_path / "logs")
    broken.start(["sh", "-c", "echo no such option; exit 1"])
    with pytest.raises(LocalError, match=r"(?s)the registry ended at its start, log .*no such option"):
        broken.wait("the registry", "here", lambda: False, 60)


def test_waiting_ends_when_the_time_is_up(daemon: Daemon) -> None:
    daemon.start(["sleep", "60"])
    with pytest.raises(LocalError, match="the registry does not answer at here after 0 s, log"):
        daemon.wait("the registry", "here", lambda: False, 0)
