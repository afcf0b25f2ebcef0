"""One value has one text: the session is ours, whatever server, database, role or pooler say about it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reading
from conftest import PASSWORD, Server, Shop
from crash_processes import run
from tap_postgres_arrow import discover
from tap_postgres_arrow.engine import SourceError

ENCODINGS = {
    "LATIN1": "Müller, Größe",
    "WIN1252": "Zoë, 12 €",
    "EUC_JP": "東京タワー",
}  # fmt: skip
OTHER = {
    "timezone": "Europe/Berlin",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-3",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "search_path": "shop, pg_catalog",
}
PATHS = [
    pytest.param("pipe", id="pipe"),
    pytest.param("arrow", id="arrow"),
    pytest.param("parquet", id="parquet"),
    pytest.param(None, id="records"),
]


def load(shop: Shop, layout: str | None) -> None:
    """Load all tables by one of the ways that rows travel; tap and target are processes where they share a pipe."""
    if layout in ("pipe", "arrow"):
        batches = {**shop.settings["batch_config"], "encoding": {"format": layout}}
        outcome = run({**shop.settings, "batch_config": batches}, {"namespace": shop.namespace}, {})
        assert outcome.complete, outcome.log
    else:
        shop.replicate(**({} if layout else {"batch_config": None}))


@pytest.mark.parametrize("layout", PATHS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_databases_of_other_encodings_load(new_shop: Callable[..., Shop], encoding: str, layout: str | None) -> None:
    """The server sends text in the database's encoding to a client that asks for none, and the engine reads UTF-8."""
    word = ENCODINGS[encoding]
    shop = new_shop(f"template template0 encoding '{encoding}' locale 'C'")
    shop.execute(f'create table shop."{word}" (id int primary key, "{word}" text)')
    shop.execute(f"insert into shop.\"{word}\" values (1, '{word}'), (2, 'plain'), (3, null)")
    load(shop, layout)
    rows = shop.rows(discover.table_name(word), "id")
    assert [(row["id"], row[word]) for row in rows] == [(1, word), (2, "plain"), (3, None)]


def test_byte_that_the_encoding_has_no_letter_for_fails_and_names_the_table(new_shop: Callable[..., Shop]) -> None:
    """The server itself checks no byte of a WIN1252 database until it has to say which letter it is."""
    shop = new_shop("template template0 encoding 'WIN1252' locale 'C'")
    shop.execute("create table shop.words (id int primary key, word text)", "insert into shop.words select 1, chr(129)")
    with pytest.raises(SourceError, match=r'shop\.words: .*0x81.* has no equivalent in encoding "UTF8"'):
        shop.extract()


def test_names_of_other_encodings_are_found(new_shop: Callable[..., Shop]) -> None:
    """`make source` reads the names of tables and columns through a connection like any other."""
    shop = new_shop("template template0 encoding 'LATIN1' locale 'C'")
    shop.execute('create table shop."Größe" ("Länge" int primary key)')
    (found,) = discover.discover({**shop.settings, "sslmode": "prefer", "name": "crm"})
    assert (found["name"], found["key"]) == ("Größe", ["Länge"])


VALUES = {
    "tstzrange": ("'[2026-07-01 10:00+00,2026-07-01 12:00+00)'", '["2026-07-01 10:00:00+00","2026-07-01 12:00:00+00")'),
    "timestamptz[]": ("array['2026-03-29 02:30+01'::timestamptz]", '{"2026-03-29 01:30:00+00"}'),
    "date[]": ("array[date '2026-02-01']", "{2026-02-01}"),
    "interval": ("'1 year 2 days 3:04:05.6'", "1 year 2 days 03:04:05.6"),
    "bytea": (r"decode('00ff61', 'hex')", r"\x00ff61"),
    "double precision[]": ("array[0.1::float8 + 0.2::float8]", "{0.30000000000000004}"),
    "real[]": ("array[0.3::real]", "{0.3}"),
    "money": ("'1234.5'::money", "$1,234.50"),
    "regclass": ("'shop.f'::regclass", "shop.f"),
    "timetz": ("'10:00+02'", "10:00:00+02"),
}


def configured(shop: Shop) -> None:
    """Set the database as somebody else likes it, and give it values whose text depends on that."""
    for name, value in OTHER.items():
        quoted = value if name == "search_path" else f"'{value}'"
        shop.execute(f"alter database {shop.database} set {name} = {quoted}")
    shop.execute("create table shop.f (id int primary key)")
    for number, (kind, (value, _)) in enumerate(VALUES.items()):
        shop.execute(
            f"alter table shop.f add v{number} {kind}", f"alter table shop.f alter v{number} set default {value}"
        )
    shop.execute("insert into shop.f values (1)")


def texts(shop: Shop) -> dict[str, Any]:
    (row,) = reading.rows(shop.table("f"), *(f"v{number}" for number in range(len(VALUES))))
    return dict(zip(VALUES, row, strict=True))


EXPECTED = {kind: text for kind, (_, text) in VALUES.items()}


@pytest.mark.parametrize("layout", PATHS)
def test_text_does_not_depend_on_settings_of_the_source(new_shop: Callable[..., Shop], layout: str | None) -> None:
    """A setting that changes, or the end of summer time, changes the text of values that did not change."""
    shop = new_shop()
    configured(shop)
    load(shop, layout)
    assert texts(shop) == EXPECTED


def test_complete_read_and_log_print_the_same_text(new_shop: Callable[..., Shop]) -> None:
    """A row that is written again without a change becomes another one."""
    shop = new_shop()
    shop.contract("key: [id]\nwrite: merge\ndeletes: hard\n", "f")
    configured(shop)
    shop.execute("alter role reader replication", "create publication lake for table shop.f")
    follow = {"publication": "lake", "slot": f"session_{uuid.uuid4().hex[:12]}"}
    try:
        shop.replicate(**follow)
        assert texts(shop) == EXPECTED
        shop.execute("update shop.f set id = id")
        shop.replicate(**follow)
        assert texts(shop) == EXPECTED
    finally:
        shop.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()"
        )


@pytest.fixture
def pooler(server: Server) -> Iterator[int]:
    """A PgBouncer before the server, which pools transactions and refuses what it does not know; its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs pgbouncer: apt-get install pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="headwater-pooler-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "users.txt").write_text(f'"reader" "{PASSWORD}"\n')
    (folder / "pooler.ini").write_text(
        f"[databases]\n* = host={server.host} port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = scram-sha-256\nauth_file = {folder}/users.txt\npool_mode = transaction\n"
        f"default_pool_size = 8\nunix_socket_dir =\n"
    )
    switch = []
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "postgres", "postgres")
        switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    process = subprocess.Popen([*switch, program, str(folder / "pooler.ini")], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "process up" in line:
                break
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def test_pgbouncer_that_pools_transactions_is_read_through(new_shop: Callable[..., Shop], pooler: int) -> None:
    """PgBouncer refuses the start-up parameter `options`; what is set there would also be the next client's."""
    shop = new_shop()
    configured(shop)
    place = {**shop.settings, "port": pooler}
    (found,) = discover.discover({**place, "sslmode": "prefer", "name": "crm"})
    assert found["name"] == "f"
    shop.replicate(port=pooler)
    assert texts(shop) == EXPECTED
