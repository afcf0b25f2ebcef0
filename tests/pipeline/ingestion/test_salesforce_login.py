"""The Salesforce tap's logins against the stand-in: by secret, and by a token that a key signs."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import PACKAGES, Server
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from entry_point import EntryPoint
from headwater_tap.calls import ServiceError
from tap_salesforce import assertion
from wholesale import CLIENT_ID, SECRET, USERNAME, Organisation, key_pair, organisation


@pytest.fixture(scope="module")
def petco(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    name = f"login_{uuid.uuid4().hex[:12]}"
    with organisation(server, name, Path(tmp_path_factory.mktemp("login"))) as made:
        yield made


def signed(**settings: Any) -> dict[str, Any]:
    """Return the settings of a login by key."""
    return {"client_secret": None, "private_key": key_pair()[0], "username": USERNAME, **settings}


def pem(key: Any, encryption: Any = None) -> str:
    """Return a private key as PEM."""
    encryption = NoEncryption() if encryption is None else encryption
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode())


def test_a_refused_login_says_so_without_the_secret(petco: Organisation, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ServiceError, match="invalid_client") as refused:
        petco.extract(client_secret="wr0ng")
    assert "client_secret" in str(refused.value)
    petco.extract()
    assert not [text for text in (str(refused.value), caplog.text) if "wr0ng" in text or SECRET in text]


def test_a_key_logs_in(petco: Organisation) -> None:
    """For this organisation's own address or the login server, the key as a file or as one line has it."""
    assert len(petco.records("salesforce_accounts", **signed())) == 5
    one_line = key_pair()[0].replace("\n", "\\n")
    login = signed(private_key=one_line, audience="https://login.salesforce.com")
    assert len(petco.records("salesforce_accounts", **login)) == 5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"audience": "https://test.salesforce.com"}, "invalid_grant: audience is invalid"),
        ({"username": "other@petco.example.com"}, "invalid_grant: user hasn't approved this consumer"),
        ({"client_id": "other"}, "invalid_client_id: client identifier invalid"),
        ({"private_key": pem(generate_private_key(65537, 2048))}, "invalid_grant: invalid assertion"),
    ],
)
def test_a_refused_key_says_what_to_check_and_shows_no_key(
    petco: Organisation, caplog: pytest.LogCaptureFixture, wrong: dict[str, str], said: str
) -> None:
    login = signed(**wrong)
    with caplog.at_level(logging.DEBUG), pytest.raises(ServiceError) as refused:
        petco.extract(**login)
    message = str(refused.value)
    assert said in message
    assert "Check client_id, username" in message
    assert no_part_of(login["private_key"], message + caplog.text)


@pytest.mark.parametrize("valid_s", [-1, 600])
def test_a_token_that_is_expired_or_lasts_too_long_is_refused(
    petco: Organisation, monkeypatch: pytest.MonkeyPatch, valid_s: int
) -> None:
    """As a machine with a wrong clock would send it."""
    monkeypatch.setattr(assertion, "VALID_S", valid_s)
    with pytest.raises(ServiceError, match=r"invalid_grant: invalid assertion.*this machine's clock"):
        petco.extract(**signed())


def test_each_attempt_signs_anew(petco: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt's token is no longer good when the second one is made."""
    from petco.api.faults import Fault

    times = [time.time(), 0.0]
    monkeypatch.setattr(assertion, "time", SimpleNamespace(time=times.pop))
    petco.faults.plan(Fault("500", "/salesforce/services/oauth2/token"))
    assert len(petco.records("salesforce_accounts", **signed())) == 5
    assert times == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"client_secret": None}, "neither is set"),
        ({"client_secret": "", "private_key": ""}, "neither is set"),  # as Meltano passes unset variables on
        ({"private_key": "x", "username": "x"}, "both are set"),
        (signed(username=None), "private_key is set and username is not"),
        (signed(private_key="-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----"), "can't be read"),
        (signed(private_key="s3cr3t"), "can't be read"),
        (signed(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), "no RSA key"),
        (
            signed(private_key=pem(generate_private_key(65537, 2048), BestAvailableEncryption(b"x"))),
            "without a passphrase",
        ),
    ],
)
def test_wrong_credentials_are_named_before_any_request(
    petco: Organisation, settings: dict[str, Any], said: str
) -> None:
    before = petco.faults.requests
    with pytest.raises(ServiceError, match=said) as refused:
        petco.extract(**settings)
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert petco.faults.requests == before


def test_meltano_passes_the_key_on_and_logs_none_of_it(petco: Organisation, tmp_path: Path) -> None:
    source = {
        "SALESFORCE_LOGIN_URL": petco.settings["login_url"],
        "SALESFORCE_CLIENT_ID": CLIENT_ID,
        "SALESFORCE_USERNAME": USERNAME,
        "SALESFORCE_PRIVATE_KEY": key_pair()[0],
        "HEADWATER_CONTRACTS": str(PACKAGES.parent / "contracts"),
    }
    ran = EntryPoint(tmp_path, petco.namespace, source)("--tap", "tap-salesforce", "--streams", "salesforce_accounts")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert petco.count("salesforce_accounts") == 5
    assert no_part_of(key_pair()[0], ran.stdout + ran.stderr)


def no_part_of(key: str, text: str) -> bool:
    """Return whether no line of a PEM's body is in the text."""
    return not [line for line in key.splitlines()[1:-1] if line in text]
