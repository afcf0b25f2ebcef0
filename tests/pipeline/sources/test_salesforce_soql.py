"""Queries of Salesforce's stand-in: what is refused, and what conditions mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.sources.conftest import Shop
from tests.pipeline.sources.salesforce_client import Client, Serve, served_organisations


@pytest.fixture(scope="module")
def serve(shop: Shop) -> Serve:
    return served_organisations(shop)


@pytest.fixture(scope="module")
def client(serve: Serve) -> Iterator[Client]:
    with serve() as (stranger, _):
        yield stranger.log_in()


@pytest.mark.parametrize(
    ("soql", "code", "said"),
    [
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT * FROM Account", "MALFORMED_QUERY", "unexpected token: '*'"),
        ("SELECT Id FROM Account GROUP BY Id", "MALFORMED_QUERY", "unexpected token: 'GROUP'"),
        ("SELECT Id FROM Account WHERE Id = 'a' AND Id = 'b' OR Id = 'c'", "MALFORMED_QUERY", "unexpected token: 'OR'"),
        ("SELECT Nothing__c FROM Account", "INVALID_FIELD", "No such column 'Nothing__c' on entity 'Account'"),
        ("SELECT Cost__c FROM Product2", "INVALID_FIELD", "No such column 'Cost__c' on entity 'Product2'"),
        ("SELECT Id, Account.Name FROM Opportunity", "INVALID_FIELD", "Didn't understand relationship 'Account'"),
        ("SELECT Id FROM Lead", "INVALID_TYPE", "sObject type 'Lead' is not supported"),
        ("SELECT Id, id FROM Account", "INVALID_FIELD", "duplicate field selected: id"),
        (
            "SELECT Id FROM Account WHERE SystemModstamp >= '2026-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
    ],
)  # fmt: skip
def test_what_is_no_query_is_refused_as_by_the_real_api(client: Client, soql: str, code: str, said: str) -> None:
    answer = client.query(soql)
    assert (answer.status, answer.error) == (400, code)
    assert said in answer.json[0]["message"]


def test_an_error_marks_the_wrong_word(client: Client) -> None:
    message = client.query("SELECT Id, Oops FROM Account").json[0]["message"]
    _, line, mark, place, _ = message.split("\n", maxsplit=4)
    assert line[mark.index("^") :].startswith("Oops")
    assert place == "ERROR at Row:1:Column:12"


def test_conditions_mean_what_soql_means(client: Client) -> None:
    rows = client.rows("SELECT Id, Name, Website, Contact_Email__c, CreatedDate FROM Account ORDER BY Id")
    assert len(rows) > 5
    first = rows[0]
    name = first["Name"].replace("'", "\\'")

    def found(where: str) -> list[str]:
        return [row["Id"] for row in client.rows(f"SELECT Id FROM Account WHERE {where} ORDER BY Id")]

    everyone = [row["Id"] for row in rows]
    assert first["Id"] in found(f"Name = '{name.upper()}'")  # text without regard to letter case
    assert found(f"Id IN ('{everyone[1]}', '{everyone[3]}')") == [everyone[1], everyone[3]]
    assert found(f"Id NOT IN ('{everyone[0]}')") == everyone[1:]
    without = [row["Id"] for row in rows if row["Website"] is None]
    assert found("Website = NULL") == without
    # What is unknown is not equal: SOQL's != finds rows without a value.
    assert set(found("Website != 'https://www.petshop-1.example'")) >= set(without)
    assert found("NOT (Website LIKE 'HTTPS://%')") == without
    assert found(f"(Id = '{everyone[0]}' OR Id = '{everyone[2]}') AND IsDeleted = FALSE") == everyone[0:3:2]
    moments = sorted(row["CreatedDate"] for row in rows)
    soql_moment = moments[2].replace(".000+0000", "Z")
    assert len(found(f"CreatedDate >= {soql_moment}")) == len([one for one in moments if one >= moments[2]])
    latest = client.rows("SELECT Id FROM Account ORDER BY CreatedDate DESC, Id LIMIT 2 OFFSET 1")
    assert len(latest) == 2


def test_a_counting_query_returns_no_rows(client: Client) -> None:
    answer = client.query("SELECT COUNT() FROM Account").json
    assert answer == {"totalSize": len(client.rows("SELECT Id FROM Account")), "done": True, "records": []}
