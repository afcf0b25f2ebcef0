"""The accounts that ingestion reads: web services from the settings, and the sources that `make source` added."""

from __future__ import annotations

import pulumi

from components import settings
from components.connections import WebService
from components.settings.accounts import SALESFORCE_CLIENT_SECRET, SALESFORCE_PRIVATE_KEY, STRIPE_API_KEY
from components.settings.base import PROJECT


def accounts(config: pulumi.Config, services: settings.Services) -> tuple[WebService, ...]:
    """Return what ingestion needs to read the stack's own accounts; their credentials are secret outputs.

    Raises pulumi.RunError when the stack's configuration lacks a credential, has it in plain text, or has one that
    would not be used.
    """
    found = []
    if services.stripe.kind == "account":
        found.append(WebService({}, {"STRIPE_API_KEY": _credential(config, STRIPE_API_KEY, "services.stripe")}))
    else:
        _refuse(config, STRIPE_API_KEY, f"services.stripe.kind is {services.stripe.kind!r}")
    found.append(_salesforce(config, services.salesforce))
    found.append(WebService({}, settings.source_passwords(config, settings.added_sources())))
    return tuple(found)


def _salesforce(config: pulumi.Config, chosen: settings.Salesforce) -> WebService:
    if chosen.kind != "account":
        for name in (SALESFORCE_CLIENT_SECRET, SALESFORCE_PRIVATE_KEY):
            _refuse(config, name, f"services.salesforce.kind is {chosen.kind!r}")
        return WebService({})
    by_key = chosen.username is not None
    wanted, other = SALESFORCE_CLIENT_SECRET, SALESFORCE_PRIVATE_KEY
    if by_key:
        wanted, other = other, wanted
    where = "services.salesforce, with username," if by_key else "services.salesforce, without username,"
    _refuse(config, other, f"{where} logs in with {PROJECT}:{wanted}")
    credential = _credential(config, wanted, where)
    environment = {
        "SALESFORCE_LOGIN_URL": chosen.login_url,
        "SALESFORCE_CLIENT_ID": chosen.client_id,
        "SALESFORCE_USERNAME": chosen.username,
        "SALESFORCE_AUDIENCE": chosen.audience,
    }
    variable = "SALESFORCE_PRIVATE_KEY" if by_key else "SALESFORCE_CLIENT_SECRET"
    return WebService({name: value for name, value in environment.items() if value is not None}, {variable: credential})


def _credential(config: pulumi.Config, name: str, who: str) -> pulumi.Output[str]:
    value = config.get_secret(name)
    if value is None or not pulumi.runtime.config.is_config_secret(f"{PROJECT}:{name}"):
        what = "is missing" if value is None else "is in plain text"
        raise pulumi.RunError(
            f"{PROJECT}:{name} {what}: {PROJECT}:{who} reads an account with it: `pulumi config set --secret {name}` "
            "asks for it (or takes a file: `… < key.pem`)"
        )
    return value


def _refuse(config: pulumi.Config, name: str, why: str) -> None:
    if config.get_secret(name) is not None:
        raise pulumi.RunError(
            f"{PROJECT}:{name} is set and would not be used: {PROJECT}:{why}. `pulumi config rm {name}`, or change that"
        )
