"""With `database.ca_bundle` clients know that the database is the database, not only that nobody reads along."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.connections import DATABASE_AUTHORITIES, DATABASE_TRUST
from components.database import authorities
from tests.unit.components.conftest import Resource, plain, run_program, stack_config
from tests.unit.components.test_program import pod_specs

FILE = f"{DATABASE_TRUST}/{DATABASE_AUTHORITIES}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with one authority."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    file = tmp_path_factory.mktemp("rds") / "bundle.pem"
    file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def resources(bundle: Path) -> list[Resource]:
    """The staging stack with the bundle, and with a catalog server of its own, which is a client of RDS too."""
    config = stack_config("staging")
    database = {**json.loads(config["headwater:database"]), "ca_bundle": str(bundle)}
    config |= {"headwater:database": json.dumps(database), "headwater:catalog": json.dumps({"kind": "rest"})}
    return run_program(config, "staging")[0]


def of(resources: list[Resource], kind: str) -> dict[str, Any]:
    return {each.known_as: plain(each.inputs) for each in resources if each.type.startswith("kubernetes:")
            and each.kind == kind}  # fmt: skip


def settings_of(container: dict[str, Any], resources: list[Resource]) -> dict[str, str]:
    """Return a container's variables, those from its ConfigMaps and Secrets filled in."""
    maps, secrets = of(resources, "ConfigMap"), of(resources, "Secret")
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            found |= maps[source["configMapRef"]["name"]]["data"]
    for each in container.get("env", []):
        if "valueFrom" in each:
            key = each["valueFrom"]["secretKeyRef"]
            found[each["name"]] = secrets[key["name"]]["stringData"][key["key"]]
        else:
            found[each["name"]] = each["value"]
    return found


def test_every_client_verifies_by_a_file_that_it_has(resources: list[Resource], bundle: Path) -> None:
    """A path to a file that is not mounted: the client ends at its start, on AWS for the first time."""
    clients = []
    for name, spec in pod_specs(resources):
        (container,) = spec["containers"]
        said = " ".join(f"{key}={value}" for key, value in settings_of(container, resources).items())
        if ".rds.amazonaws.com" not in said:
            continue
        clients.append(name)
        assert "verify-full" in said, name
        assert FILE in said, name
        (mount,) = [each for each in container["volumeMounts"] if each["mountPath"] == DATABASE_TRUST]
        (volume,) = [each for each in spec["volumes"] if each["name"] == mount["name"]]
        kept = of(resources, "ConfigMap")[volume["configMap"]["name"]]["data"]
        assert kept[DATABASE_AUTHORITIES] == bundle.read_text()
    assert sorted(clients) == [
        "CronJob/ingestion", "Deployment/catalog", "Deployment/dagster-code", "Deployment/dagster-daemon",
        "Deployment/dagster-webserver", "Deployment/superset", "Deployment/superset-worker", "Job/database-init",
        "Job/superset-init",
    ]  # fmt: skip


def test_dagsters_run_pods_mount_it_too(resources: list[Resource]) -> None:
    """Runs are made by Dagster's launcher, not by the program: each would fail to report its first event."""
    pods = json.loads(of(resources, "ConfigMap")["dagster-environment"]["data"]["HEADWATER_RUN_POD"])
    (mount,) = [m for m in pods["container_config"]["volume_mounts"] if m["mount_path"] == DATABASE_TRUST]
    (volume,) = [v for v in pods["pod_spec_config"]["volumes"] if v["name"] == mount["name"]]
    assert volume["config_map"]["name"] in of(resources, "ConfigMap")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"<html>denied</html>", "no certificates"), (b"\xff", "no PEM file")],
)
def test_a_bundle_that_is_none_is_refused_at_preview(tmp_path: Path, content: bytes | None, message: str) -> None:
    """A proxy's error page saved as bundle: no client would ever connect."""
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(pulumi.RunError, match=message) as raised:
        authorities.bundle(str(file))
    assert "headwater:database.ca_bundle" in str(raised.value)
    assert "truststore.pki.rds.amazonaws.com" in str(raised.value)
