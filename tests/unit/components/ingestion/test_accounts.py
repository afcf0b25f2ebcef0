"""Accounts with web services that a stack names: their credentials, and what then plays no part any more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components import settings
from components.orchestration.dagster import UNCONNECTED
from components.settings.accounts import SERVICE_SECRETS
from components.settings.encrypted import SECRETS
from tests.unit.components.conftest import (
    ROOT,
    SECRET_SIGNATURE,
    Resource,
    aws_program,
    plain,
    run_program,
    stack_config,
)

KEY = "rk_live_of_the_account"
PEM = "-----BEGIN PRIVATE KEY-----\nof the account\n-----END PRIVATE KEY-----"
STRIPE = {"stripe": {"kind": "account"}}
ORGANISATION = {"login_url": "https://petco.my.salesforce.com", "client_id": "consumer"}
BY_SECRET = {"salesforce": {"kind": "account", **ORGANISATION}}
BY_KEY = {"salesforce": {"kind": "account", **ORGANISATION, "username": "reader@petco.com"}}


def run(services: dict[str, Any], secrets: Mapping[str, str], **plainly: str) -> list[Resource]:
    """Run the dev stack's program with these services; plainly: settings that nobody encrypted."""
    changed = {"images": '{"builder": "buildah"}', "services": json.dumps(services), **plainly}
    config = {**stack_config(), **{f"headwater:{name}": value for name, value in changed.items()}}
    return run_program(config, secrets={f"headwater:{name}": value for name, value in secrets.items()})[0]


def one(resources: list[Resource], kind: str, name: str) -> dict[str, Any]:
    return next(r.inputs for r in resources if r.kind == kind and r.known_as == name)


def variables(resources: list[Resource]) -> dict[str, Any]:
    """Return ingestion's environment; a variable from its Secret with the value there."""
    spec = plain(one(resources, "CronJob", "ingestion"))["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    secret = plain(one(resources, "Secret", "ingestion-credentials"))["stringData"]
    found = {}
    for each in spec["containers"][0]["env"]:
        found[each["name"]] = each["value"] if "value" in each else secret[each["valueFrom"]["secretKeyRef"]["key"]]
    return found


def test_accounts_take_the_stand_ins_place() -> None:
    """A key of a real account in a pod that plays Stripe, or a real Stripe asked at the stand-in's address."""
    resources = run({**STRIPE, **BY_SECRET}, {"stripeApiKey": KEY, "salesforceClientSecret": "s3cret"})
    assert not [r for r in resources if r.name.startswith("saas")]
    found = variables(resources)
    assert found["STRIPE_API_KEY"] == KEY
    assert "STRIPE_API_URL" not in found
    assert {name: value for name, value in found.items() if name.startswith("SALESFORCE")} == {
        "SALESFORCE_LOGIN_URL": "https://petco.my.salesforce.com",
        "SALESFORCE_CLIENT_ID": "consumer",
        "SALESFORCE_CLIENT_SECRET": "s3cret",
    }
    shop = plain(next(r.inputs for r in resources if r.kind == "NetworkPolicy" and r.known_as == "shop"))
    assert "saas" not in json.dumps(shop)


def test_one_account_leaves_the_other_stand_in() -> None:
    resources = run(STRIPE, {"stripeApiKey": KEY})
    found = variables(resources)
    assert (found["STRIPE_API_KEY"], found["SALESFORCE_CLIENT_ID"]) == (KEY, "headwater-ingestion")
    assert found["SALESFORCE_LOGIN_URL"].startswith("http://saas.")
    played = plain(one(resources, "Secret", "saas-credentials"))["stringData"]
    assert list(played) == ["SALESFORCE_CLIENT_SECRET"]


def test_a_private_key_logs_in_as_a_user() -> None:
    services = {"salesforce": {**BY_KEY["salesforce"], "audience": "https://test.salesforce.com"}}
    found = variables(run(services, {"salesforcePrivateKey": PEM}))
    assert (found["SALESFORCE_PRIVATE_KEY"], found["SALESFORCE_USERNAME"]) == (PEM, "reader@petco.com")
    assert found["SALESFORCE_AUDIENCE"] == "https://test.salesforce.com"
    assert "SALESFORCE_CLIENT_SECRET" not in found


def test_credentials_of_accounts_are_secrets_of_ingestion_alone() -> None:
    """A credential in the state, in a diff, or in the pod of a service that needs none."""
    resources = run({**STRIPE, **BY_KEY}, {"stripeApiKey": KEY, "salesforcePrivateKey": PEM})
    holders = [r.name for r in resources if {KEY, PEM} & set(texts(plain(r.inputs)))]
    assert holders == [next(r.name for r in resources if r.kind == "Secret" and r.known_as == "ingestion-credentials")]
    for resource in resources:
        assert not {KEY, PEM} & set(texts(resource.inputs, inside=False)), resource.name


def texts(value: Any, *, inside: bool = True) -> list[str]:
    """Return all strings of a value; those of secrets too, or not."""
    if isinstance(value, dict):
        if SECRET_SIGNATURE in value and not inside:
            return []
        return [text for item in value.values() for text in texts(item, inside=inside)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item, inside=inside)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    ("services", "secrets", "plainly", "says"),
    [
        (STRIPE, {}, {}, "headwater:stripeApiKey is missing: headwater:services.stripe reads"),
        (STRIPE, {}, {"stripeApiKey": KEY}, "headwater:stripeApiKey is in plain text"),
        (BY_SECRET, {}, {}, "headwater:salesforceClientSecret is missing"),
        (BY_KEY, {}, {}, "headwater:salesforcePrivateKey is missing"),
        (BY_KEY, {"salesforceClientSecret": "s"}, {}, "headwater:salesforceClientSecret is set and would not be used"),
        (BY_SECRET, {"salesforcePrivateKey": PEM}, {}, "headwater:salesforcePrivateKey is set and would not be used"),
        ({}, {"stripeApiKey": KEY}, {}, "services.stripe.kind is 'stand_in'. `pulumi config rm stripeApiKey`"),
    ],
)
def test_a_missing_or_unused_credential_is_named(
    services: dict[str, Any], secrets: dict[str, str], plainly: dict[str, str], says: str
) -> None:
    """Found at preview: a run would find it after the deployment, or read another account than its owner thinks."""
    with pytest.raises(pulumi.RunError) as raised:
        run(services, secrets, **plainly)
    assert says in str(raised.value)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("services", "says"),
    [
        ({"salesforce": {"kind": "account"}}, "headwater:services.salesforce"),
        ({"salesforce": {"kind": "account"}}, "needs login_url and client_id"),
        ({"salesforce": {"client_id": "x"}}, "client_id go with kind 'account'; kind is 'stand_in'"),
        ({"salesforce": {**BY_SECRET["salesforce"], "audience": "https://x"}}, "audience goes with username"),
        (
            {"salesforce": {"kind": "account", "login_url": "http://x", "client_id": "x"}},
            "services.salesforce.login_url",
        ),
        ({"stripe": {"kind": "real"}}, "'stand_in', 'account' or 'none'"),
        ({"stripe": {"api_key": KEY}}, "headwater:services.stripe.api_key: there is no such setting"),
    ],
)
def test_half_an_account_is_named(services: dict[str, Any], says: str) -> None:
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({"services": json.dumps(services)})
    assert says in str(raised.value)


def test_without_the_example_a_stack_says_what_it_reads() -> None:
    """A stack without the company would wait for stand-ins that nobody serves."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({"example": '{"enabled": false}'})
    assert "headwater:services.salesforce.kind: 'stand_in' is not allowed" in str(raised.value)
    assert "headwater:services.stripe.kind: 'stand_in' is not allowed" in str(raised.value)
    assert set(SERVICE_SECRETS) <= set(SECRETS)


NOTHING = {"stripe": {"kind": "none"}, "salesforce": {"kind": "none"}}


def named(resources: list[Resource]) -> str | None:
    """Return the names of the sources that Dagster is told to leave out."""
    found: str | None = plain(one(resources, "ConfigMap", "dagster-environment"))["data"].get(UNCONNECTED)
    return found


def test_dagster_knows_which_sources_are_not_connected() -> None:
    """A step for a source without an account fails in every run, until somebody takes its contracts away."""
    connected = run({}, {})
    assert named(connected) is None
    assert named(run(STRIPE, {"stripeApiKey": KEY})) is None
    without = run({"stripe": {"kind": "none"}}, {})
    assert named(without) == "stripe"
    assert "STRIPE_API_KEY" not in variables(without)
    # The code location reads the variable once: it has to be replaced.
    server, before = (one(each, "Deployment", "dagster-code")["spec"]["template"] for each in (without, connected))
    assert server["metadata"]["annotations"] != before["metadata"]["annotations"]


def test_without_the_example_nobody_reads_its_shop() -> None:
    """The stack for production as it is committed: three sources, and no account with any of them."""
    assert named(aws_program("prod")[0]) == "salesforce shop stripe"
    assert named(aws_program("staging")[0]) is None


def test_sources_are_called_what_dagster_calls_them() -> None:
    """A name without contracts, or a variable that Dagster does not read: the steps are there, and fail."""
    chosen = {"example": '{"enabled": false}', "services": json.dumps(NOTHING)}
    code = ROOT / "pipeline_code"
    folders = {path.parent.name for path in (code / "ingestion" / "contracts").glob("*/_source.yml")}
    assert set(settings.parse(chosen).unconnected) <= folders
    streams = code / "orchestration" / "headwater_dagster" / "defs" / "ingestion" / "streams.py"
    assert f'"{UNCONNECTED}"' in streams.read_text()
