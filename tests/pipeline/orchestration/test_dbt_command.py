"""dbt behind its server is the dbt that is installed: same output, status, environment, signals. Both are real."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import IMAGE, PLACES

USUAL = Path(sys.executable).with_name("dbt")
LIST = ("--quiet", "ls", "--resource-type", "model", "--output", "json", "--output-keys", "name", "schema", "database")
OWNER = """
import os, sys
from headwater_dagster.dbt_command.resource import ensure_server
ensure_server()
with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as children:
    print(children.read(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def client(definitions):
    from headwater_dagster.dbt_command import resource

    resource.ensure_server()
    return resource.CLIENT


def environment(**changed):
    """What dbt has in the image, and what a test changes."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "HEADWATER_"))}
    ours = {name: value for name, value in os.environ.items() if name in {"HEADWATER_DBT_SOCKET", "HEADWATER_DBT"}}
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return inherited | ours | path | PLACES | changed


def run(command, *arguments, folder, **changed):
    env = environment(**changed) | {"DBT_PROFILES_DIR": str(folder)}
    return subprocess.run([command, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_it_says_what_dbt_says(client, dbt_project):
    """For whoever asks: the folder and the environment are the client's, not those that the server started with."""
    for changed in ({}, {"LAKE_CATALOG": "other"}):
        theirs, ours = (run(dbt, *LIST, folder=dbt_project, **changed) for dbt in (USUAL, client))
        assert (ours.returncode, ours.stdout) == (0, theirs.stdout)
        assert changed.get("LAKE_CATALOG", "lake") in ours.stdout


def test_a_command_that_fails_ends_as_it_does_with_dbt(client, dbt_project):
    """A failed build that counts as one that succeeded."""
    for arguments in (("ls", "--no-such-option"), ("ls", "--selector", "no_such_selector")):
        theirs, ours = (run(dbt, *arguments, folder=dbt_project).returncode for dbt in (USUAL, client))
        assert ours == theirs != 0


def test_each_command_has_an_id_of_its_own(client, dbt_project, tmp_path):
    """The results of two builds, taken for one."""
    found = set()
    for name in ("a", "b"):
        assert run(client, "parse", "--target-path", str(tmp_path / name), folder=dbt_project).returncode == 0
        about = json.loads((tmp_path / name / "manifest.json").read_text())["metadata"]
        found.add((about["invocation_id"], about["invocation_started_at"]))
    assert len(found) == 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_cancelled_ends_dbt(client, dbt_project, sent):
    """It would go on building, and the next run beside it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = environment(TRINO_HOST="127.0.0.1", TRINO_PORT=str(silent.getsockname()[1]))
        env["DBT_PROFILES_DIR"] = str(dbt_project)
        with subprocess.Popen([client, "build"], cwd=dbt_project, env=env, stdout=subprocess.DEVNULL) as started:
            connection, _ = silent.accept()
            started.send_signal(sent)
            if sent == signal.SIGINT:
                connection.close()  # dbt ends when its query has ended
            else:
                with connection:
                    while connection.recv(65536):  # until dbt is gone, and the kernel closes its end
                        pass
            silent.close()
    assert started.returncode != 0


@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_the_server_ends_with_whoever_started_it(dbt_project, how):
    argv = [sys.executable, "-c", OWNER]
    env = environment(PYTHONPATH=str(IMAGE))
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        server = os.pidfd_open(int(owner.stdout.readline()))
        if how == "is killed":
            owner.kill()
        owner.stdin.close()
        ended, _, _ = select.select([server], [], [], 300)
        os.close(server)
    assert ended, "nobody ends it any more"


def test_without_its_server_it_is_dbt(client, dbt_project, tmp_path):
    """A server that the kernel has killed, for want of memory."""
    done = run(client, *LIST, folder=dbt_project, HEADWATER_DBT_SOCKET=str(tmp_path / "gone"))
    assert done.returncode == 0
    assert "fct_orders" in done.stdout
