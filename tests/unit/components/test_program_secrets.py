"""Credentials of the program: none is readable in the state, and each is used as a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.secrets import derive
from tests.unit.components.conftest import (
    ROOT_SECRET,
    SECRET_SIGNATURE,
    Resource,
    plain,
)


def credentials() -> set[str]:
    """Return every credential that the program derives."""
    names = [f"postgres-{role}" for role in ("postgres", "dagster", "superset", "catalog", "meltano")]
    names += [f"minio-root-{half}" for half in ("user", "password")]
    names += [f"minio-{who}-{half}-key" for who in ("trino", "ingestion", "catalog") for half in ("access", "secret")]
    names += [f"shop-{role}" for role in ("postgres", "shop", "headwater_reader")]
    names += [f"superset-{what}" for what in ("secret-key", "admin", "editor", "viewer")]
    names += [f"trino-{user}" for user in ("dbt", "superset", "developer")]
    names += ["catalog-token", "catalog-loader-token"]
    names += ["trino-shared-secret", "stripe-api-key", "salesforce-client-secret"]
    return {derive(ROOT_SECRET, name) for name in names} | {ROOT_SECRET}


def visible(value: Any) -> Iterator[str]:
    """Yield every string that is not inside a secret."""
    if isinstance(value, dict):
        if SECRET_SIGNATURE not in value:
            for key, item in value.items():
                yield str(key)
                yield from visible(item)
    elif isinstance(value, list):
        for item in value:
            yield from visible(item)
    elif isinstance(value, str):
        yield value


def secret_strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and SECRET_SIGNATURE in value:
        yield from visible(plain(value))
    elif isinstance(value, dict):
        for item in value.values():
            yield from secret_strings(item)


def test_no_credential_is_readable_in_the_state(resources: list[Resource]) -> None:
    """One credential in an environment variable or ConfigMap stands in the state, in diffs and in CI logs."""
    for resource in resources:
        text = "\n".join(visible(resource.inputs))
        for credential in credentials():
            assert credential not in text, f"{resource.type} {resource.name} shows a credential"


def test_every_credential_is_used_as_a_secret(resources: list[Resource]) -> None:
    """The test above would find nothing if it looked for credentials that the program no longer derives."""
    inside = {text for r in resources if r.kind == "Secret" for text in secret_strings(r.inputs["stringData"])}
    # Within a value: a connection's URI, a key with its prefix.
    unused = {each for each in credentials() - {ROOT_SECRET} if not any(each in text for text in inside)}
    assert not unused, f"{len(unused)} credentials of this test are in no Secret of the program"
    for resource in resources:
        if resource.kind == "Secret":
            for key, value in (
                resource.inputs["stringData"].items() if SECRET_SIGNATURE not in resource.inputs["stringData"] else ()
            ):
                assert SECRET_SIGNATURE in value, f"{resource.name} {key}"


def test_passwords_are_exported_as_secrets(program: tuple[list[Resource], dict[str, Any]]) -> None:
    """`pulumi stack output` would print the administrator's password."""
    _, exported = program
    assert exported["dashboard"] == "http://127.0.0.1:30088"
    for password in exported["superset_passwords"].values():
        assert pulumi_is_secret(password)


def pulumi_is_secret(output: Any) -> bool:
    import asyncio

    async def ask() -> bool:
        return bool(await output.is_secret())

    return asyncio.new_event_loop().run_until_complete(ask())
