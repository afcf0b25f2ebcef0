"""What `make source add=…` is told about a database, and a source whose streams have a prefix."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PACKAGES, PASSWORD, Shop
from entry_point import EntryPoint
from headwater_contracts.contract import parse_contract
from tap_postgres_arrow import discover
from tap_postgres_arrow.engine import SourceError

PREFIX = {"stream_prefix": "crm_"}


def connection(shop: Shop, **changes: Any) -> dict[str, Any]:
    plain = {name: value for name, value in shop.settings.items() if name != "batch_config"}
    return {**plain, "sslmode": "prefer", "name": "crm", **changes}


@pytest.fixture
def odd(shop: Shop) -> Shop:
    """Keys of two columns and none, names that need quotes, and two tables that would be one in the lake."""
    shop.execute(
        'create table shop."Odd Name/1" ("Id" int, "or" text, "Last_Modified" timestamp, primary key ("or", "Id"))',
        "insert into shop.\"Odd Name/1\" values (1, 'x', now()), (2, 'y', null)",
        "create table shop.keyless (x numeric(12,2), price numeric, doc jsonb, updated_at date)",
        "insert into shop.keyless values (1, 2, '{}', null)",
        "create table shop.a_b (id int primary key)",
        'create table shop."a-b" (id int primary key)',
        "create view shop.seen as select 1 as one",
        "create table shop.secret (id int primary key)",
        "revoke select on shop.secret from reader",
        "create table shop.events (id int, at timestamptz, primary key (id, at)) partition by range (at)",
        "create table shop.events_1 partition of shop.events for values from ('2026-01-01') to ('2027-01-01')",
        "create table shop.events_2 partition of shop.events for values from ('2027-01-01') to ('2028-01-01')",
        "insert into shop.events select i, timestamptz '2026-12-31' + i * interval '1h' from generate_series(1, 48) i",
        "analyze",
        "create table shop.new (id int primary key)",
    )
    return shop


def test_tables_keys_and_replication_keys_are_found(odd: Shop) -> None:
    """A key in the wrong order, a date taken for a moment, or a table that overwrites another's."""
    found = {each["name"]: each for each in discover.discover(connection(odd))}
    assert sorted(found) == ["Odd Name/1", "a-b", "a_b", "events", "keyless", "new", "orders"]  # no view, no grant
    # Of the partitions together; and nothing is made up for a table that the server has not counted.
    assert (found["events"]["rows"], found["new"]["rows"]) == (48, None)
    odd_one = found["Odd Name/1"]
    assert (odd_one["key"], odd_one["replication_key"]) == (["or", "Id"], "Last_Modified")
    assert (odd_one["stream"], odd_one["rows"]) == ("crm_Odd Name/1", 2)
    # A date does not tell two changes of a day apart.
    assert (found["keyless"]["key"], found["keyless"]["replication_key"]) == ([], None)
    assert found["orders"]["replication_key"] == "updated_at"
    assert [found[name]["clash"] for name in ("a-b", "a_b")] == [None, "a-b"]


def test_contracts_say_what_the_rows_then_are(odd: Shop) -> None:
    """A contract that the first load already breaks."""
    for each in discover.discover(connection(odd)):
        if each["clash"] is None:
            assert parse_contract("crm", each["stream"], yaml.safe_load(each["contract"])).table == each["table"]
            odd.contract(each["contract"].split("\n", 1)[1], each["table"])
            (odd.folder / "contracts" / "shop" / f"{each['table']}.yml").write_text(each["contract"])
        else:  # `make source` writes no file for it, and Meltano does not select it
            odd.execute(f'drop table shop."{each["name"]}"')
    odd.replicate(**PREFIX)
    assert odd.findings() == {}
    assert odd.count("crm_orders") == 1000
    assert [row["Id"] for row in odd.rows(discover.table_name("crm_Odd Name/1"), "Id")] == [1, 2]


@pytest.mark.parametrize("settings", [{}, {"batch_config": None}], ids=["batch", "records"])
def test_a_prefix_is_in_every_message_and_the_next_run_goes_on(shop: Shop, settings: dict[str, Any]) -> None:
    """Rows of two sources in one table, or a bookmark that is not found again and everything sent twice."""
    shop.load(shop.extract(**PREFIX), **{})
    shop.execute("update shop.orders set status = 'paid', updated_at = now() where order_id = 1")
    messages = shop.extract(**PREFIX, **settings)
    named = {message["stream"] for message in messages if "stream" in message}
    assert named == {"crm_orders"}
    shop.load(messages)
    assert shop.count("crm_orders") == 1001


def test_a_prefix_is_no_part_of_the_tables_that_the_log_follows(shop: Shop) -> None:
    """Changes that are looked for under the stream's name are never found, and the slot goes past them."""
    shop.execute("create publication lake for table shop.orders", "alter role reader replication")
    follow = {**PREFIX, "publication": "lake", "slot": f"slot_{shop.database}"}
    try:
        shop.replicate(**follow)
        shop.execute(
            "update shop.orders set status = 'paid' where order_id = 1", "delete from shop.orders where order_id = 2"
        )
        shop.replicate(**follow)
        assert shop.count("crm_orders") == 1002
    finally:
        shop.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()"
        )


def command(**changes: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), discover.VARIABLE: json.dumps(changes)}
    argv = [sys.executable, "-m", "tap_postgres_arrow.discover"]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def test_errors_are_told_as_json_without_the_password(shop: Shop) -> None:
    """A traceback in a pod's log, with the password in it."""
    refused = command(**connection(shop, port=1))
    assert refused.returncode == 1
    assert "127.0.0.1:1 can't be reached" in json.loads(refused.stdout)["error"]
    assert "127.0.0.1 is the pod itself" in refused.stdout
    wrong = command(**connection(shop, password=PASSWORD[::-1]))
    assert "password authentication failed" in json.loads(wrong.stdout)["error"]
    assert PASSWORD[::-1] not in wrong.stdout + wrong.stderr


def test_a_schema_without_readable_tables_is_an_error(shop: Shop) -> None:
    with pytest.raises(SourceError, match="can read no table in schema 'nowhere'"):
        discover.discover(connection(shop, schema="nowhere"))


def test_written_files_load_every_table_by_its_own_method(
    odd: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that Meltano does not include, a rule that names no stream, or a replication key that is passed over."""
    monkeypatch.syspath_prepend(PACKAGES.parents[2])
    from cli.sources import connection as addresses
    from cli.sources import files
    from cli.sources.found import parse_tables

    checkout = tmp_path / "checkout"
    project = checkout / "pipeline_code" / "ingestion"
    shutil.copytree(PACKAGES.parent / "sources", project / "sources")
    shutil.copy(PACKAGES.parent / "meltano.yml", project)
    address = f"postgres://reader@{odd.server.host}:{odd.server.port}/{odd.database}"
    source = addresses.parse(address, "crm", "shop")
    tables = parse_tables(discover.discover(connection(odd)))
    files.write(files.rendered(files.Places("crm", checkout), addresses.KIND, source, tables))
    ingest = EntryPoint(tmp_path, odd.namespace, {"CRM_PASSWORD": PASSWORD})
    place = {"MELTANO_PROJECT_ROOT": str(project), "HEADWATER_CONTRACTS": str(project / "contracts")}
    first = ingest("--tap", "tap-crm", "--full-refresh", **place)
    assert first.returncode == 0, first.stdout + first.stderr
    assert (odd.count("crm_orders"), odd.count("crm_keyless"), odd.count("crm_a_b")) == (1000, 1, 0)
    odd.execute("""insert into shop."Odd Name/1" values (3, 'z', now() + interval '1 second')""")
    second = ingest("--tap", "tap-crm", **place)
    assert second.returncode == 0, second.stdout + second.stderr
    # By Last_Modified: the row that never said when it changed comes again, the first row does not.
    ids = [row["Id"] for row in odd.rows(discover.table_name("crm_Odd Name/1"), "Id")]
    assert ids in ([1, 2, 2, 3], [1, 2, 3])
    assert odd.findings() == {}
