"""A table that is large enough is read by several pods of the cluster, and becomes one commit."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from .commands import ROOT
from .test_data import rows

sys.path.append(str(ROOT / "pipeline_code" / "orchestration"))
from headwater_dagster.jobs.manifest import job_manifest

STREAM = "readers_order_items"
"""A table of its own for the shop's order items: ingestion may write into the namespace `raw` only."""
SETTINGS = {
    "TAP_SHOP_STREAM_PREFIX": "readers_",
    "MELTANO_RUN_STATE_ID_SUFFIX": "readers",
    "HEADWATER_READER_PODS": "8",
    "HEADWATER_SHARED_FROM_BYTES": "1",
}
SHARE = ROOT / "pipeline_code/ingestion/packages/tap-postgres/tap_postgres_arrow/share.py"
HOLD = """
create or replace function headwater_test_hold() returns trigger language plpgsql as $$ begin
  -- The pod that leads has the lock of number -1; each of its sessions has the pod's address.
  if inet_client_addr() in (
    select client_addr from pg_stat_activity join pg_locks using (pid)
    where locktype = 'advisory' and classid::bigint = hashtext(new.share)::bigint & 4294967295 and objid = 4294967295
  ) then
    for tries in 1..4000 loop
      exit when exists (select from headwater_piece where share = new.share and result is not null);
      perform pg_sleep(0.05);
    end loop;
  end if;
  return new;
end $$;
create or replace trigger headwater_test_hold before update on headwater_piece
  for each row execute function headwater_test_hold();
do $$ begin raise notice 'watching'; end $$
"""
"""Keeps the pod that leads from ending a piece until the other has ended one: it could be done before that starts."""
RELEASE = """
drop trigger if exists headwater_test_hold on headwater_piece;
drop function if exists headwater_test_hold
"""


@pytest.fixture
def job(kubectl: Callable[..., Any], environment: dict[str, str]) -> Iterator[Callable[..., str]]:
    """`job(arguments, environment)`: start a Job of ingestion's template as Dagster does; returns its name."""
    started: list[str] = []

    def start(arguments: list[str], more: dict[str, str]) -> str:
        template = kubectl("get", "cronjob", "ingestion", "-n", "headwater")
        name = f"ingestion-readers-test-{secrets.token_hex(3)}"
        manifest = job_manifest(
            template, name=name, arguments=arguments, environment=more, labels={"headwater/source": "shop"}
        )
        subprocess.run(
            ["kubectl", "create", "-f", "-"], input=json.dumps(manifest), env=environment, check=True, text=True
        )
        started.append(name)
        return name

    yield start
    for name in started:
        kubectl("delete", "job", name, "-n", "headwater", "--ignore-not-found", output="")


def test_two_pods_read_a_table_and_one_commits_it(
    kubectl: Callable[..., Any],
    environment: dict[str, str],
    secret: Callable[[str, str, str], str],
    trino: Any,
    job: Callable[..., str],
) -> None:
    """Rights, networks or settings that the second pod lacks would only be seen with the first gigabyte."""
    password = urlsplit(secret("headwater", "ingestion-credentials", "meltano-database-uri")).password
    psql = "read -r PGPASSWORD; export PGPASSWORD; exec psql -q -h 127.0.0.1 -U meltano meltano"
    shell = ["kubectl", "exec", "-i", "-n", "headwater", "postgres-0", "--", "sh", "-c", psql]
    credentials = unquote(password or "")
    hold = subprocess.Popen(shell, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    try:
        assert hold.stdin is not None
        assert hold.stderr is not None
        hold.stdin.write(f"{credentials}\n{tables()};\n{HOLD};\n")
        hold.stdin.close()
        said = hold.stderr.read()
        assert "watching" in said, said
        leader = job(["--streams", STREAM, "--full-refresh"], SETTINGS)
        share = wait_for_share(environment, leader)
        reader = job(["--reads-for", share], SETTINGS)
        for name in (reader, leader):
            kubectl("wait", "--for=condition=complete", f"job/{name}", "-n", "headwater", "--timeout=240s", output="")
        assert "Reading piece" in kubectl("logs", f"job/{reader}", "-n", "headwater", output="")
        ((loaded, keys),) = rows(trino, f"select count(*), count(distinct order_item_id) from raw.{STREAM}")
        ((files,),) = rows(trino, f'select count(*) from raw."{STREAM}$files"')
        ((snapshots,),) = rows(trino, f'select count(*) from raw."{STREAM}$snapshots"')
    finally:
        hold.kill()
        hold.wait()
        subprocess.run(shell, input=f"{credentials}\n{RELEASE};\n", env=environment, check=True, text=True)
        rows(trino, f"drop table if exists raw.{STREAM}")
    assert loaded == keys > 0
    assert files > 2, "a file a piece"
    assert snapshots == 1


def tables() -> str:
    """Return the statements that make the queue's tables: the trigger is there before a run makes them."""
    found = re.search(r'_TABLES = """(.*?)"""', SHARE.read_text(), re.DOTALL)
    assert found is not None, f"{SHARE} has no _TABLES any more"
    return found[1]


def wait_for_share(environment: dict[str, str], leader: str) -> str:
    """Return the share that the run that leads asks pods for, from its log."""
    command = ["kubectl", "logs", "-f", "-n", "headwater", f"job/{leader}"]
    told, deadline = "", time.monotonic() + 180
    while time.monotonic() < deadline:  # before the container has started there is no log
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as log:
            for line in log.stdout or ():
                told += line
                if "with --reads-for " in line:
                    log.kill()
                    return line.rpartition(" ")[2].strip()
        assert not told, f"the run ended without asking for pods\n{told}"
        time.sleep(0.5)
    raise AssertionError(f"{leader} has not started")
