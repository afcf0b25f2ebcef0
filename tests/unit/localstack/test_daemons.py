"""Processes are found again, and only they are ever stopped."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from localstack import daemons
from localstack.daemons import Daemon, Record


@pytest.fixture
def daemon(tmp_path):
    process = Daemon("sleeper", tmp_path / "run", tmp_path / "logs")
    yield process
    process.stop(grace_s=1)


def test_start_time_is_read_past_a_command_name_with_brackets_and_blanks():
    line = "42 (evil) name (x)) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1"
    assert daemons.parse_stat(line) == ("S", 987654)


def test_a_second_start_starts_nothing(daemon):
    assert daemon.start(["sleep", "60"])
    pid = daemon.record().pid
    assert not daemon.start(["sleep", "60"])
    assert daemon.record().pid == pid


def test_a_recycled_pid_is_neither_alive_nor_killed(daemon):
    with subprocess.Popen(["sleep", "60"]) as stranger:
        _, start = daemons.parse_stat(Path(f"/proc/{stranger.pid}/stat").read_text())
        record = Record(stranger.pid, start - 1, daemons.boot_id(), ("sleep", "60"))
        daemon.run.mkdir()
        daemon.record_file.write_text(json.dumps(record.__dict__))
        assert not daemon.alive()
        daemon.stop(grace_s=1)
        assert stranger.poll() is None, "a process that is not ours was killed"
        stranger.kill()


def test_a_record_of_an_earlier_boot_is_not_alive(daemon):
    daemon.start(["sleep", "60"])
    record = daemon.record()
    assert daemons.is_alive(record)
    assert not daemons.is_alive(replace(record, boot_id="another"))


def test_stop_kills_what_ignores_the_polite_signal(daemon):
    daemon.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    record = daemon.record()
    while "ready" not in daemon.tail():
        assert daemon.alive()
    daemon.stop(grace_s=0.2)
    assert not daemons.is_alive(record)
    assert not daemon.record_file.exists()


def test_a_changed_configuration_is_noticed(daemon):
    daemon.start(["sleep", "60"], fingerprint="a")
    assert daemon.started_as(["sleep", "60"], "a")
    assert not daemon.started_as(["sleep", "60"], "b")
    assert not daemon.started_as(["sleep", "61"], "a")


def test_a_cut_off_record_counts_as_none(daemon):
    daemon.run.mkdir()
    daemon.record_file.write_text('{"pid": 1')
    assert daemon.record() is None
    assert not daemon.alive()


def test_the_process_outlives_an_interrupt_of_its_starter(daemon):
    daemon.start(["sleep", "60"])
    assert os.getsid(daemon.record().pid) != os.getsid(0)
