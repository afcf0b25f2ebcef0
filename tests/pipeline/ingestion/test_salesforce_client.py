"""An independent client, simple-salesforce, works with the stand-in as it does with the real API.

It was written against the real service: where it gets on, the shapes that the tap is tested with are the real ones.
Only the address is another: the client knows https hosts of salesforce.com, the session below maps them.
"""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from conftest import Server
from simple_salesforce import Salesforce, SalesforceMalformedRequest, SalesforceResourceNotFound
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from wholesale import CLIENT_ID, SECRET, USERNAME, Organisation, key_pair, organisation


class AtStandIn(requests.adapters.HTTPAdapter):
    """Sends what goes to https://<any host>/services/… to the stand-in."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        parts = urlsplit(request.url)
        path = parts.path.removeprefix("/salesforce")
        request.url = f"{self._address}/salesforce{path}" + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *arguments, **options)


@pytest.fixture(scope="module")
def petco(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    name = f"client_{uuid.uuid4().hex[:12]}"
    with organisation(server, name, Path(tmp_path_factory.mktemp("client"))) as made:
        yield made


@pytest.fixture(scope="module")
def session(petco: Organisation) -> requests.Session:
    session = requests.Session()
    session.mount("https://", AtStandIn(petco.address))
    return session


@pytest.fixture(scope="module")
def client(session: requests.Session) -> Salesforce:
    return Salesforce(
        consumer_key=CLIENT_ID, consumer_secret=SECRET, domain="petco.my", session=session, version="62.0"
    )


def test_it_logs_in_and_a_wrong_secret_is_what_it_knows_as_such(client: Salesforce, session: requests.Session) -> None:
    assert client.session_id
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        Salesforce(consumer_key=CLIENT_ID, consumer_secret="x", domain="petco.my", session=session)
    assert refused.value.code == "invalid_client"


def test_it_logs_in_with_a_signed_token_and_knows_a_refusal_as_such(session: requests.Session) -> None:
    """Its token is one that the real service takes: the stand-in must not ask for less or more."""
    login = {"consumer_key": CLIENT_ID, "privatekey": key_pair()[0], "session": session, "version": "62.0"}
    client = Salesforce(username=USERNAME, **login)
    assert client.query("SELECT Id FROM Account LIMIT 1")["totalSize"] == 1
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        Salesforce(username=USERNAME, domain="test", **login)
    assert refused.value.code == "invalid_grant"
    # It knows this one by its text, and says what to do.
    approve = pytest.warns(UserWarning, match="you may need to authorize")
    with approve, pytest.raises(SalesforceAuthenticationFailed):
        Salesforce(username="other@petco.example.com", **login)


def test_query_and_its_errors(client: Salesforce) -> None:
    found = client.query("SELECT Id, Name FROM Account ORDER BY Id LIMIT 2")
    assert (found["totalSize"], found["done"]) == (2, True)
    assert found["records"][0]["attributes"]["type"] == "Account"
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.query("SELECT Id, Nothing FROM Account")
    assert refused.value.content[0]["errorCode"] == "INVALID_FIELD"
    used = client.api_usage["api-usage"]
    assert 0 < used.used < used.total == 100_000


def test_query_all_follows_the_pages(client: Salesforce, petco: Organisation) -> None:
    client.headers["Sforce-Query-Options"] = "batchSize=200"
    found = client.query_all("SELECT Id, TotalPrice FROM OpportunityLineItem")
    assert found["totalSize"] == len({row["Id"] for row in found["records"]}) == 600
    petco.change(200, "returned")
    assert client.query_all("SELECT Id FROM OpportunityLineItem")["totalSize"] == 598
    assert client.query_all("SELECT Id FROM OpportunityLineItem", include_deleted=True)["totalSize"] == 600


def test_describe(client: Salesforce) -> None:
    assert {each["name"] for each in client.describe()["sobjects"]} >= {"Account", "Opportunity"}
    fields = {field["name"]: field for field in client.Opportunity.describe()["fields"]}
    assert (fields["Amount"]["type"], fields["AccountId"]["referenceTo"]) == ("currency", ["Account"])
    with pytest.raises(SalesforceResourceNotFound):
        client.Lead.describe()


def test_limits(client: Salesforce) -> None:
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000


def test_bulk_query_jobs(client: Salesforce) -> None:
    parts = client.bulk2.Product2.query("SELECT Id, Name FROM Product2 ORDER BY Id", max_records=4, wait=0.01)
    rows = [row for part in parts for row in csv.reader(io.StringIO(part))]
    header = [row for row in rows if row == ["Id", "Name"]]
    assert len(header) == 3  # each part has its own
    found = [row for row in rows if row != ["Id", "Name"]]
    said = client.query("SELECT Id, Name FROM Product2 ORDER BY Id")["records"]
    assert found == [[row["Id"], row["Name"]] for row in said]
    deleted = "".join(client.bulk2.Opportunity.query_all("SELECT Id, IsDeleted FROM Opportunity", wait=0.01))
    assert deleted.count("\n") == 301
