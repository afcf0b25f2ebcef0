"""Settings: what is wrong is refused at preview, with its path, its value and what is allowed."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
import pytest

from components import settings
from tests.unit.components.conftest import stack_config

ENVIRONMENT = {"HEADWATER_KUBE_CONTEXT": "mine"}
BUILDAH = {"headwater:images": '{"builder": "buildah"}'}


@pytest.mark.parametrize(
    ("key", "value", "path", "says"),
    [
        ("storage", '{"kind": "s4"}', "headwater:storage.kind: 's4'", "'minio'"),
        ("storage", '{"siez": "1Gi"}', "headwater:storage.siez", "allowed here: kind, bucket, region, size"),
        ("storgae", "{}", "headwater:storgae", "allowed here: storage, catalog"),
        ("trino", '{"memory": "2 GB"}', "headwater:trino.memory: '2 GB'", "512Mi"),
        ("catalog", '{"uri": "catalog:8181"}', "headwater:catalog.uri: 'catalog:8181'", "http(s) URL"),
        (
            "kubernetes",
            '{"exposure": {"kind": "node_port", "ports": {"superset": 80}}}',
            "headwater:kubernetes.exposure.ports.superset: 80",
            "30000",
        ),
        (
            "kubernetes",
            '{"exposure": {"kind": "node_port", "ports": {"superset": 30088, "dagster": 30088}}}',
            "headwater:kubernetes.exposure.ports.dagster: 30088",
            "superset has it already",
        ),
        (
            "kubernetes",
            '{"exposure": {"ports": {"superset": 30088}}}',
            "headwater:kubernetes.exposure.ports.superset: 30088",
            "nothing opens it",
        ),
        ("images", '{"base_images": {"RUBY_IMAGE": "x"}}', "headwater:images.base_images", "'PYTHON_IMAGE'"),
        (
            "images",
            '{"base_images": {"PYTHON_IMAGE": "python:3.11"}}',
            "headwater:images.base_images.PYTHON_IMAGE: 'python:3.11'",
            "named by its digest",
        ),
        # As `pulumi config set --path` writes digits.
        (
            "database",
            '{"version": 18}',
            "headwater:database.version: 18",
            "`pulumi config set --path --type string database.version 18`",
        ),
        (
            "trino",
            '{"workers": {"cpu": 2}}',
            "headwater:trino.workers.cpu: 2",
            "`pulumi config set --path --type string trino.workers.cpu 2`",
        ),
        ("database", '{"ca_bundle": true}', "headwater:database.ca_bundle: True", "should be a valid string"),
        ("example", '{"scale": 0}', "headwater:example.scale: 0", "greater than 0"),
        (
            "generations",
            '{"postgres-dagster": 0}',
            "headwater:generations.postgres-dagster: 0",
            "greater than or equal",
        ),
    ],
)
def test_a_wrong_setting_is_named(key: str, value: str, path: str, says: str) -> None:
    """A typo that is ignored, or found by a server at start, costs a deployment to find."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({key: value})
    message = str(raised.value)
    assert path in message
    assert says in message
    assert "Traceback" not in message


def test_all_wrong_settings_are_named_at_once() -> None:
    """One error a preview would make ten previews of ten typos."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({"storage": '{"kind": "s4"}', "trino": '{"cpu": "fast"}'})
    assert len(str(raised.value).splitlines()) == 3


def test_trino_memory_too_small_is_refused() -> None:
    """Trino would start, and refuse its first query with an error about its own configuration."""
    with pytest.raises(pulumi.RunError, match=r"headwater:trino.memory: '1Gi'"):
        settings.parse({"trino": '{"memory": "1Gi"}'})


def test_the_committed_stack_file_is_valid() -> None:
    """The front door of the project must open."""
    config = {**stack_config(), **BUILDAH}
    loaded = settings.load(config, ENVIRONMENT)
    assert loaded.example.scale == 0.1
    assert loaded.kubernetes.exposure.ports.superset == 30088


def test_keys_of_other_packages_are_not_ours() -> None:
    """`pulumi config set kubernetes:context …` must not be an unknown setting of Headwater."""
    settings.load({"kubernetes:context": "x", "headwater:rootSecret": "s", **BUILDAH}, ENVIRONMENT)


def test_base_images_come_from_the_machine_unless_the_stack_names_them(tmp_path: Path) -> None:
    """Stand-ins must not replace a base image that somebody chose."""
    file = tmp_path / "base-images.json"
    digest = f"sha256:{'a' * 64}"
    file.write_text(json.dumps({"PYTHON_IMAGE": f"127.0.0.1:5000/base/python@{digest}"}))
    environment = {**ENVIRONMENT, "HEADWATER_BASE_IMAGES_FILE": str(file)}
    assert settings.load(BUILDAH, environment).images.base_images["PYTHON_IMAGE"].startswith("127.0.0.1:5000/")
    chosen = {"headwater:images": json.dumps({"builder": "buildah", "base_images": {"PYTHON_IMAGE": f"mine@{digest}"}})}
    assert settings.load(chosen, environment).images.base_images == {"PYTHON_IMAGE": f"mine@{digest}"}


def test_base_images_of_an_older_revision_are_an_error_with_a_way_out(tmp_path: Path) -> None:
    """The message would name a setting that nobody wrote."""
    file = tmp_path / "base-images.json"
    file.write_text(json.dumps({"PYTHON_IMAGE": "127.0.0.1:5000/base/python:3.11-slim-bookworm"}))
    with pytest.raises(pulumi.RunError, match=r"has no digest of PYTHON_IMAGE.*`make up` writes it anew"):
        settings.load(BUILDAH, {**ENVIRONMENT, "HEADWATER_BASE_IMAGES_FILE": str(file)})


def test_a_broken_base_images_file_is_an_error(tmp_path: Path) -> None:
    """Silently building on public images fails minutes later with a time-out."""
    environment = {**ENVIRONMENT, "HEADWATER_BASE_IMAGES_FILE": str(tmp_path / "missing.json")}
    with pytest.raises(pulumi.RunError, match=r"missing\.json"):
        settings.load(BUILDAH, environment)


def test_the_context_is_never_the_current_one_by_accident() -> None:
    """A kubeconfig whose current context is production must not get the dev stack."""
    assert settings.load(BUILDAH, {}).kubernetes.context == "headwater"
    assert settings.load(BUILDAH, ENVIRONMENT).kubernetes.context == "mine"
    named = {**BUILDAH, "headwater:kubernetes": '{"context": "kind-lake"}'}
    assert settings.load(named, ENVIRONMENT).kubernetes.context == "kind-lake"


def test_a_missing_root_secret_names_both_ways() -> None:
    """A first-time user has neither, and must learn how to get one from the error alone."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.root_secret(pulumi.Config("headwater"), {})
    assert "rootSecret" in str(raised.value)
    assert "HEADWATER_ROOT_SECRET_FILE" in str(raised.value)


@pytest.mark.parametrize("content", [None, "short"])
def test_a_useless_root_secret_file_is_an_error(tmp_path: Path, content: str | None) -> None:
    """Every password would be derived from nothing."""
    file = tmp_path / "root-secret"
    if content is not None:
        file.write_text(content)
    with pytest.raises(pulumi.RunError, match=str(file)):
        settings.root_secret(pulumi.Config("headwater"), {"HEADWATER_ROOT_SECRET_FILE": str(file)})
