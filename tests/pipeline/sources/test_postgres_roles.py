"""The postgres image's scripts on a real server: who may connect, who may read, how passwords change."""

import psycopg
import pytest

from tests.pipeline.sources.conftest import Shop

ARGUMENTS = ("--reader", "headwater_reader:shop", "shop", "analytics")


@pytest.fixture(scope="module", autouse=True)
def initialised(shop: Shop) -> None:
    done = shop.init(*ARGUMENTS)
    assert done.returncode == 0, done.stderr


def test_init_may_run_again(shop: Shop) -> None:
    again = shop.init(*ARGUMENTS)
    assert (again.returncode, again.stderr) == (0, "")


def test_an_owner_cannot_enter_another_database(shop: Shop) -> None:
    for database in ("shop", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            shop.connect("analytics", database)


def test_a_wrong_password_is_refused(shop: Shop) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        shop.connect("shop", password="guess")


def test_passwords_are_kept_as_scram(shop: Shop) -> None:
    with shop.connect("postgres", "postgres") as connection:
        kinds = connection.execute("SELECT DISTINCT split_part(rolpassword, '$', 1) FROM pg_authid WHERE rolcanlogin")
        assert kinds.fetchall() == [("SCRAM-SHA-256",)]


def test_a_reader_reads_later_tables_and_writes_nothing(shop: Shop) -> None:
    with shop.connect("shop") as owner, shop.connect("headwater_reader") as reader:
        owner.execute("CREATE SCHEMA later; CREATE TABLE later.numbers AS SELECT 1 AS number")
        assert reader.execute("SELECT number FROM later.numbers").fetchall() == [(1,)]
        reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("INSERT INTO later.numbers VALUES (2)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("CREATE TABLE public.mine (number int)")
        owner.execute("DROP SCHEMA later CASCADE")


def test_a_changed_password_takes_the_place_of_the_old(shop: Shop) -> None:
    before = shop.password("analytics")
    shop.set_password("analytics", "another 'one'")
    assert shop.init(*ARGUMENTS).returncode == 0
    shop.connect("analytics", "analytics").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        shop.connect("analytics", "analytics", before)


def test_a_changed_superuser_password_counts_from_the_next_start(shop: Shop) -> None:
    with shop.connect("shop") as owner:
        owner.execute("CREATE TABLE public.kept AS SELECT 1 AS number")
    shop.set_password("postgres", "quite 'another'")
    shop.restart()
    with shop.connect("postgres", "shop") as connection:
        assert connection.execute("SELECT number FROM public.kept").fetchall() == [(1,)]


def test_a_missing_password_file_is_named(shop: Shop) -> None:
    failed = shop.init("unknown")
    assert failed.returncode == 1
    assert f"{shop.secrets}/unknown is missing or empty" in failed.stderr
