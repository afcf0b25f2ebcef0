"""Salesforce's stand-in over HTTP, on a real PostgreSQL with a shop in it."""

from __future__ import annotations

import base64
import csv
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from decimal import Decimal

import jwt
import pytest

from tests.pipeline.sources.conftest import Shop
from tests.pipeline.sources.salesforce_client import CLIENT, DATA, Client, Serve, served_organisations


@pytest.fixture(scope="module")
def serve(shop: Shop) -> Serve:
    return served_organisations(shop)


@pytest.fixture(scope="module")
def client(serve: Serve) -> Iterator[Client]:
    with serve() as (stranger, _):
        yield stranger.log_in()


def test_only_the_known_client_gets_a_session(serve: Serve) -> None:
    with serve() as (stranger, _):
        known = stranger.log_in()
        assert known.address == stranger.address  # instance_url has the path below which the API is mounted
        for client, secret, error in (("other", CLIENT[1], "invalid_client_id"), (CLIENT[0], "x", "invalid_client")):
            form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
            refused = stranger.call("/services/oauth2/token", urllib.parse.urlencode(form).encode())
            assert (refused.status, refused.json["error"]) == (400, error)
        basic = base64.b64encode(":".join(CLIENT).encode()).decode()
        form_only = b"grant_type=client_credentials"
        assert stranger.call("/services/oauth2/token", form_only, Authorization=f"Basic {basic}").status == 200
        assert stranger.call("/services/oauth2/token", b"grant_type=password").json["error"] == "unsupported_grant_type"
        nobody = stranger.call(f"{DATA}/limits")
        assert (nobody.status, nobody.error) == (401, "INVALID_SESSION_ID")


def test_an_app_without_a_key_is_not_opened_by_a_token(serve: Serve) -> None:
    """Nor by one that nobody signed, or by anything that is no token."""
    bearer = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
    unsigned = jwt.encode({"iss": CLIENT[0], "sub": "", "aud": "", "exp": 4e9}, None, algorithm="none")
    with serve() as (stranger, _):
        for assertion in ("", "x.y.z", unsigned):
            form = urllib.parse.urlencode({**bearer, "assertion": assertion}).encode()
            refused = stranger.call("/services/oauth2/token", form)
            assert (refused.status, refused.json["error_description"]) == (400, "invalid assertion")


def test_a_session_ends(serve: Serve) -> None:
    time = [1_800_000_000.0]
    with serve(clock=lambda: time[0], session_s=60) as (stranger, organisation):
        client = stranger.log_in()
        assert client.call(f"{DATA}/limits").status == 200
        time[0] += 61
        assert client.call(f"{DATA}/limits").error == "INVALID_SESSION_ID"
        client = stranger.log_in()
        organisation.revoke()
        assert client.call(f"{DATA}/limits").status == 401


def test_the_days_requests_are_counted_and_end(serve: Serve) -> None:
    with serve(daily_requests=3) as (stranger, _):
        client = stranger.log_in()
        first = client.call(f"{DATA}/limits")
        assert first.headers["Sforce-Limit-Info"] == "api-usage=1/3"
        assert first.json["DailyApiRequests"] == {"Max": 3, "Remaining": 2}
        # A refused query counts as well, and says so.
        assert client.query("SELECT").headers["Sforce-Limit-Info"] == "api-usage=2/3"
        assert client.query("SELECT Id FROM Account").status == 200
        last = client.query("SELECT Id FROM Account")
        assert (last.status, last.error) == (403, "REQUEST_LIMIT_EXCEEDED")
        assert last.headers["Sforce-Limit-Info"] == "api-usage=3/3"


def test_pages_follow_one_another_over_one_snapshot(client: Client) -> None:
    page = client.query("SELECT Id FROM OpportunityLineItem", Sforce_Query_Options="batchSize=200").json
    total, seen = page["totalSize"], [row["Id"] for row in page["records"]]
    assert (len(seen), page["done"]) == (200, False)
    assert page["nextRecordsUrl"].startswith(f"{DATA}/query/01g")
    assert page["nextRecordsUrl"].endswith("-200")
    while not page["done"]:
        page = client.call(page["nextRecordsUrl"], Sforce_Query_Options="batchSize=200").json
        seen += [row["Id"] for row in page["records"]]
    assert "nextRecordsUrl" not in page
    assert len(seen) == len(set(seen)) == total
    gone = client.call(f"{DATA}/query/01g000000000000AAA-2000")
    assert (gone.status, gone.error) == (400, "INVALID_QUERY_LOCATOR")


def test_hidden_fields_and_unknown_objects_are_not_described(client: Client) -> None:
    described = client.call(f"{DATA}/sobjects/Product2/describe").json
    assert "Cost__c" not in {field["name"] for field in described["fields"]}
    amount = next(
        field
        for field in client.call(f"{DATA}/sobjects/Opportunity/describe").json["fields"]
        if field["name"] == "Amount"
    )
    assert (amount["type"], amount["precision"], amount["scale"]) == ("currency", 18, 2)
    missing = client.call(f"{DATA}/sobjects/Lead/describe")
    assert (missing.status, missing.error) == (404, "NOT_FOUND")


def test_every_described_field_can_be_queried(client: Client) -> None:
    listed = client.call(f"{DATA}/sobjects").json["sobjects"]
    assert {each["name"] for each in listed} == {"Account", "Opportunity", "OpportunityLineItem", "Product2"}
    for entity in listed:
        described = client.call(f"{DATA}/sobjects/{entity['name']}/describe").json["fields"]
        names = [field["name"] for field in described]
        row = client.rows(f"SELECT {', '.join(names)} FROM {entity['name']} LIMIT 1")[0]
        assert list(row) == ["attributes", *names]
        always = {field["name"] for field in described if not field["nillable"]}
        assert not {name for name in always if row[name] is None}
        assert len(row["Id"]) == 18
        assert row["Id"].startswith(entity["keyPrefix"])


def test_the_numbers_of_wholesale_and_shop_belong_together(client: Client, shop: Shop) -> None:
    """A dashboard adds both: line items sum to the opportunity to the cent, prices follow the shop's."""
    opportunities = client.rows(
        "SELECT Id, AccountId, Amount, StageName, IsWon, IsClosed FROM Opportunity", deleted=True
    )
    lines = client.rows(
        "SELECT OpportunityId, Product2Id, Quantity, UnitPrice, ListPrice, TotalPrice FROM OpportunityLineItem",
        deleted=True,
    )
    accounts = {row["Id"]: row for row in client.rows("SELECT Id, Wholesale_Discount__c FROM Account")}
    products = {row["Id"]: row["ProductCode"] for row in client.rows("SELECT Id, ProductCode FROM Product2")}
    with shop.connect("shop") as connection:
        orders = connection.execute("SELECT count(*) FROM shop.orders WHERE order_id % 50 = 0").fetchone()[0]
        skus = {sku for (sku,) in connection.execute("SELECT sku FROM shop.products").fetchall()}
    assert len(opportunities) == orders == 200
    assert set(products.values()) == skus
    assert {line["OpportunityId"] for line in lines} == {row["Id"] for row in opportunities}
    sums: dict[str, Decimal] = {}
    account_of = {row["Id"]: row["AccountId"] for row in opportunities}
    for line in lines:
        assert line["Product2Id"] in products
        assert line["TotalPrice"] == line["Quantity"] * line["UnitPrice"]
        discount = accounts[account_of[line["OpportunityId"]]]["Wholesale_Discount__c"]
        assert abs(line["UnitPrice"] - line["ListPrice"] * (100 - discount) / 100) <= Decimal("0.005")
        sums[line["OpportunityId"]] = sums.get(line["OpportunityId"], Decimal(0)) + line["TotalPrice"]
    assert {row["Id"]: row["Amount"] for row in opportunities} == sums
    assert {row["StageName"] for row in opportunities if row["IsWon"]} == {"Closed Won"}
    assert all(row["IsClosed"] for row in opportunities if row["IsWon"])


def test_some_accounts_can_be_found_among_the_shops_customers(client: Client, shop: Shop) -> None:
    """Identities are resolved by e-mail address: with none in common there would be nothing to resolve."""
    mails = [row["Contact_Email__c"] for row in client.rows("SELECT Contact_Email__c FROM Account")]
    with shop.connect("shop") as connection:
        known = {mail.lower() for (mail,) in connection.execute("SELECT email FROM shop.customers WHERE email <> ''")}
    shared = [mail for mail in mails if mail is not None and mail.lower() in known]
    assert 0 < len(shared) < len(mails)


def test_some_accounts_can_be_found_by_their_domain_alone(client: Client, shop: Shop) -> None:
    """The rule that looks at domains would have nothing to show: no address of the account is one of the shop's."""
    accounts = client.rows("SELECT Id, Website, Contact_Email__c FROM Account WHERE Website != null")
    with shop.connect("shop") as connection:
        known = {mail.lower() for (mail,) in connection.execute("SELECT email FROM shop.customers WHERE email <> ''")}
    domains = {mail.partition("@")[2] for mail in known}
    at_home = [row for row in accounts if row["Website"].removeprefix("https://www.") in domains]
    unknown = [row for row in at_home if (row["Contact_Email__c"] or "").lower() not in known]
    assert 0 < len(unknown) < len(at_home) < len(accounts)


def test_an_order_that_moves_on_moves_its_opportunity(client: Client, shop: Shop) -> None:
    before = client.rows("SELECT Id, SystemModstamp, StageName FROM Opportunity WHERE IsClosed = FALSE ORDER BY Id")[0]
    number = int(before["Id"][6:15])
    with shop.connect("shop") as connection:
        connection.execute(
            "UPDATE shop.orders SET status = 'delivered', updated_at = now() WHERE order_id = %s", (number * 50,)
        )
    after = client.rows(f"SELECT StageName, IsWon, SystemModstamp FROM Opportunity WHERE Id = '{before['Id']}'")[0]
    assert (after["StageName"], after["IsWon"]) == ("Closed Won", True)
    assert after["SystemModstamp"] > before["SystemModstamp"]
    assert after["SystemModstamp"].endswith(".000+0000")  # whole seconds, as in the real service


def test_deleted_records_are_found_by_query_all_only(client: Client, shop: Shop) -> None:
    victim = next(
        row["Id"] for row in client.rows("SELECT Id FROM Opportunity ORDER BY Id") if int(row["Id"][6:15]) % 2 == 0
    )
    with shop.connect("shop") as connection:
        connection.execute(
            "UPDATE shop.orders SET status = 'returned', updated_at = now() WHERE order_id = %s",
            (int(victim[6:15]) * 50,),
        )
    assert client.rows(f"SELECT Id FROM Opportunity WHERE Id = '{victim}'") == []
    assert client.rows(f"SELECT IsDeleted FROM Opportunity WHERE Id = '{victim}'", deleted=True)[0]["IsDeleted"] is True
    soql = f"SELECT IsDeleted, SystemModstamp FROM OpportunityLineItem WHERE OpportunityId = '{victim}'"
    lines = client.rows(soql, deleted=True)
    gone = client.rows(f"SELECT SystemModstamp FROM Opportunity WHERE Id = '{victim}'", deleted=True)[0]
    assert lines
    assert all(line["IsDeleted"] and line["SystemModstamp"] >= gone["SystemModstamp"] for line in lines)


def test_a_query_job_gives_all_rows_in_parts(client: Client) -> None:
    soql = "SELECT Id, Name, IsActive, SystemModstamp FROM Product2 ORDER BY Id"
    made = client.call(f"{DATA}/jobs/query", json.dumps({"operation": "query", "query": soql}).encode())
    job = made.json
    assert (made.status, job["state"], job["object"]) == (200, "UploadComplete", "Product2")
    early = client.call(f"{DATA}/jobs/query/{job['id']}/results")
    assert (early.status, early.error) == (400, "INVALIDJOBSTATE")
    states = [client.call(f"{DATA}/jobs/query/{job['id']}").json for _ in range(2)]
    assert [state["state"] for state in states] == ["InProgress", "JobComplete"]
    rows: list[dict[str, str]] = []
    locator: str | None = ""
    while locator != "null":
        part = client.call(f"{DATA}/jobs/query/{job['id']}/results?maxRecords=7{locator and f'&locator={locator}'}")
        found = list(csv.DictReader(io.StringIO(part.text)))
        assert part.headers["Sforce-NumberOfRecords"] == str(len(found))
        rows, locator = rows + found, part.headers["Sforce-Locator"]
    assert len(rows) == states[-1]["numberRecordsProcessed"] == 20
    first = client.rows(f"{soql} LIMIT 1")[0]
    assert rows[0]["Name"] == first["Name"]
    assert rows[0]["IsActive"] == str(first["IsActive"]).lower()
    assert rows[0]["SystemModstamp"] == first["SystemModstamp"].replace("+0000", "Z")
    assert client.call(f"{DATA}/jobs/query/{job['id']}", method="DELETE").status == 204
    assert client.call(f"{DATA}/jobs/query/{job['id']}").status == 404


def test_a_query_job_refuses_compound_fields(client: Client) -> None:
    body = json.dumps({"operation": "query", "query": "SELECT Id, BillingAddress FROM Account"}).encode()
    refused = client.call(f"{DATA}/jobs/query", body)
    assert (refused.status, refused.error) == (400, "API_ERROR")
