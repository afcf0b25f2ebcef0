"""What the generator reads from outside, and how the live writer paces itself."""

import pytest
from petco.api.settings import Access, SalesforceAccess
from petco.cli import main
from petco.database import Server, SettingError
from petco.live import Debt

PASSWORD = "not-to-be-shown"


def test_a_server_never_shows_its_password() -> None:
    server = Server.from_environment({"SHOP_HOST": "shop", "SHOP_PASSWORD": PASSWORD})
    assert (server.port, server.database, server.user) == (5432, "shop", "shop")
    assert PASSWORD not in f"{server!r} {server.place}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SHOP_HOST": ""}, "SHOP_HOST"),
        ({"SHOP_PASSWORD": ""}, "SHOP_PASSWORD"),
        ({"SHOP_PORT": "many"}, "SHOP_PORT"),
        ({"SHOP_PORT": "70000"}, "SHOP_PORT"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Server.from_environment({"SHOP_HOST": "shop", "SHOP_PASSWORD": PASSWORD, **change})


def test_a_missing_setting_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SHOP_HOST", raising=False)
    assert main(["seed"]) == 1
    assert capsys.readouterr().err == "petco seed: SHOP_HOST is not set; it says how to reach the shop's database\n"


@pytest.mark.parametrize("rate", ["0", "-1", "100000", "fast"])
def test_a_rate_out_of_range_is_refused(rate: str) -> None:
    with pytest.raises(SystemExit):
        main(["live", "--rate", rate])


def test_fractions_add_up_to_whole_orders() -> None:
    debt = Debt()
    assert sum(debt.take(0.3) for _ in range(1000)) == pytest.approx(300, abs=1)
    assert Debt().take(7.9, most=5) == 5


@pytest.mark.parametrize(
    ("set_", "missing"),
    [
        ({"CLIENT_ID": "app"}, "SALESFORCE_CLIENT_SECRET"),
        ({"CLIENT_SECRET": "s"}, "SALESFORCE_CLIENT_ID"),
        ({"CLIENT_ID": "app", "USERNAME": "u"}, "SALESFORCE_CLIENT_SECRET"),
        ({"CLIENT_ID": "app", "CLIENT_SECRET": "s", "USERNAME": "u"}, "SALESFORCE_PUBLIC_KEY"),
        ({"CLIENT_ID": "app", "PUBLIC_KEY": "k"}, "SALESFORCE_USERNAME"),
    ],
)
def test_half_a_login_of_salesforce_is_refused(set_: dict[str, str], missing: str) -> None:
    """Else the stand-in would serve an app that nobody can log in as."""
    with pytest.raises(SettingError, match=f"^{missing} is not set"):
        Access.from_environment({f"SALESFORCE_{name}": value for name, value in set_.items()})


def test_salesforce_takes_either_login() -> None:
    by_key = {"SALESFORCE_CLIENT_ID": "app", "SALESFORCE_USERNAME": "u", "SALESFORCE_PUBLIC_KEY": "k"}
    assert Access.from_environment(by_key).salesforce == SalesforceAccess("app", "", "u", "k")
    by_secret = {"SALESFORCE_CLIENT_ID": "app", "SALESFORCE_CLIENT_SECRET": "s"}
    assert Access.from_environment(by_secret).salesforce == SalesforceAccess("app", "s")
