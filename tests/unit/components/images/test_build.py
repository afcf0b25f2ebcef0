"""Image contexts, the buildah command and its dynamic resource."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pulumi import dynamic
from pulumi.dynamic.dynamic import serialize_provider

from components.images import bases, buildah, context, provider, registry
from components.images.specs import SPECS
from tests.unit.components.conftest import ROOT

PROPS = {
    "image": "trino",
    "host": "127.0.0.1:5000",
    "repository": "headwater/trino",
    "insecure": True,
    "directories": ["trino"],
    "arguments": {},
    "platforms": ["linux/amd64"],
    "trust": None,
    "content_hash": "aa",
}
OLD = {**PROPS, "reference": "127.0.0.1:5000/headwater/trino@sha256:" + "0" * 64}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "app" / "package").mkdir(parents=True)
    (tmp_path / "app" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app" / "package" / "main.py").write_text("print(1)\n")
    (tmp_path / "other").mkdir()
    return tmp_path


def hashed(root: Path, arguments: dict[str, str] | None = None, platforms: Sequence[str] = ("linux/amd64",)) -> str:
    given = {} if arguments is None else arguments
    return context.content_hash("app/Dockerfile", ["app"], given, platforms, root)


def test_what_is_not_in_the_image_does_not_rebuild_it(code: Path) -> None:
    """A test run leaves caches, another image's folder changes: neither may roll this image's workloads."""
    before = hashed(code)
    (code / "other" / "file").write_text("x")
    (code / "app" / "__pycache__").mkdir()
    (code / "app" / "__pycache__" / "main.cpython-311.pyc").write_bytes(b"x")
    (code / "app" / "target").mkdir()
    (code / "app" / "target" / "manifest.json").write_text("{}")
    # Of a laptop: a secret, and what editors keep.
    (code / "app" / ".env").write_text("API_KEY=secret")
    (code / "app" / "main.py~").write_text("x")
    (code / "app" / ".idea").mkdir()
    (code / "app" / ".idea" / "workspace.xml").write_text("x")
    assert hashed(code) == before


@pytest.mark.parametrize("change", ["content", "new", "renamed", "mode", "argument", "base", "platform"])
def test_what_is_in_the_image_rebuilds_it(code: Path, change: str) -> None:
    """A change that keeps the hash would never reach the cluster."""
    given, platforms = {"PYTHON_IMAGE": "docker.io/python@sha256:aa"}, ["linux/amd64"]
    before = hashed(code, given, platforms)
    main = code / "app" / "package" / "main.py"
    match change:
        case "content":
            main.write_text("print(2)\n")
        case "new":
            (code / "app" / "new.sql").touch()
        case "renamed":
            main.rename(main.with_name("other.py"))
        case "mode":
            main.chmod(0o755)
        case "argument":
            given["DEBIAN_IMAGE"] = "docker.io/debian@sha256:aa"
        case "base":
            given["PYTHON_IMAGE"] = "docker.io/python@sha256:bb"
        case "platform":
            platforms.append("linux/arm64")
    assert hashed(code, given, platforms) != before


def test_a_copy_of_a_base_is_the_same_base(code: Path) -> None:
    """Mirroring the bases would build every image anew, from the same bytes."""
    there, here = ({"PYTHON_IMAGE": f"{host}/python@sha256:aa"} for host in ("docker.io", "registry.example.com"))
    assert hashed(code, there) == hashed(code, here)


def test_the_staged_context_is_the_hashed_one(code: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file that is built but not hashed makes two images under one hash."""
    (code / "app" / "package" / "__pycache__").mkdir()
    destination = tmp_path_factory.mktemp("context")
    context.stage(["app"], destination, code)
    assert hashed(destination) == hashed(code)
    assert not (destination / "other").exists()


@pytest.mark.parametrize("spec", SPECS.values(), ids=str)
def test_each_image_declares_what_its_dockerfile_takes(spec: Any) -> None:
    """A base image that is never passed is pulled from a public registry; one that is not taken does nothing."""
    dockerfile = ROOT / "pipeline_code" / spec.name / "Dockerfile"
    text = dockerfile.read_text()
    assert set(re.findall(r"^ARG (\w+_IMAGE)=", text, re.M)) == set(spec.bases)
    for source in re.findall(r"^COPY (?!--from)(?:--\S+ )*(\S+)", text, re.M):
        carried = [source == each or source.startswith(f"{each}/") for each in spec.directories]
        assert any(carried), f"{dockerfile} copies {source}"


def test_dockerfiles_by_hand_take_the_pinned_tags() -> None:
    """Whoever builds one image by hand gets another base than everybody else."""
    pinned = bases.read()
    for dockerfile in sorted((ROOT / "pipeline_code").glob("*/Dockerfile")):
        for argument, image in re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", dockerfile.read_text(), re.M):
            assert image == pinned[argument].name, dockerfile


def test_certificates_are_laid_over_and_never_copied() -> None:
    """A company's CA in an image makes every user of it trust that company."""
    build = buildah.Build("trino", "127.0.0.1:5000", "headwater/trino", ("trino",), trust="/etc/ssl/certs")
    command = buildah.build_command(build, Path("/context"), "image")
    assert "/etc/ssl/certs:/etc/ssl/certs:O" in command
    without = buildah.build_command(
        buildah.Build("trino", "127.0.0.1:5000", "headwater/trino", ("trino",)), Path("/context"), "image"
    )
    assert "--volume" not in without
    assert not [word for word in without if "CERT" in word]


def test_only_loopback_speaks_plain_http(tmp_path: Path) -> None:
    """Images, and with them everything that runs, could be swapped on the way."""
    for insecure in (True, False):
        build = buildah.Build("x", "registry.example.com", "headwater/x", ("x",), insecure=insecure)
        environment = buildah._environment(build, tmp_path)
        text = Path(environment["CONTAINERS_REGISTRIES_CONF"]).read_text()
        assert ("insecure = true" in text) is insecure


def test_layers_are_kept_where_everything_local_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Gigabytes of layers outside the home would outlive `make destroy`."""
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))
    build = buildah.Build("x", "127.0.0.1:5000", "headwater/x", ("x",), insecure=True)
    for command in (
        buildah.build_command(build, tmp_path, "image"),
        buildah.push_command("image", tmp_path / "digest"),
    ):
        assert command[command.index("--root") + 1].startswith(str(tmp_path))
        assert command[command.index("--runroot") + 1].startswith(("/run/", "/tmp"))
    assert buildah._environment(build, tmp_path)["TMPDIR"].startswith(str(tmp_path))
    monkeypatch.delenv("HEADWATER_HOME")
    assert "--root" not in buildah.build_command(build, tmp_path, "image")


def test_a_failed_build_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`exit status 1` sends the reader looking for a log that nobody named."""

    def fail(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        options["stdout"].write("E: no such package\n")
        options["stdout"].flush()
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))
    monkeypatch.setattr("components.images.buildah.subprocess.run", fail)
    monkeypatch.setattr(registry, "digest_of", lambda *_args, **_options: None)
    build = buildah.Build("dashboards", "127.0.0.1:5000", "headwater/dashboards", ("dashboards",), insecure=True)
    with pytest.raises(buildah.BuildFailed) as raised:
        buildah.build_and_push(build)
    assert "E: no such package" in str(raised.value)
    assert str(tmp_path / "logs" / "build-dashboards.log") in str(raised.value)
    assert "pulumi up" in str(raised.value)


def test_what_the_registry_has_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost state, or a second machine with the same registry, would build eight images again."""
    monkeypatch.setattr(registry, "digest_of", lambda *_args, **_options: "sha256:1")
    monkeypatch.setattr(buildah, "_run", lambda *_args: pytest.fail("it builds"))
    build = buildah.Build("dashboards", "127.0.0.1:5000", "headwater/dashboards", ("dashboards",), insecure=True)
    assert buildah.build_and_push(build) == "sha256:1"


@pytest.mark.parametrize(
    ("news", "found", "changes"),
    [
        (PROPS, "sha256:0", False),
        ({**PROPS, "content_hash": "bb"}, "sha256:0", True),
        ({**PROPS, "host": "registry.example.com"}, "sha256:0", True),
        ({**PROPS, "trust": "/etc/ssl/certs"}, "sha256:0", False),
        (PROPS, None, True),
    ],
)
def test_difference(monkeypatch: pytest.MonkeyPatch, news: dict[str, Any], found: str | None, changes: bool) -> None:
    """An unchanged image that shows a difference rolls its workloads at every run; a lost one must come back."""
    monkeypatch.setattr(registry, "digest_of", lambda *_args, **_options: found)
    assert provider.BuildahProvider().diff("id", OLD, news).changes is changes


def test_a_preview_needs_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped registry would show eight images to rebuild, or no preview at all."""

    def refuse(*_args: Any, **_options: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(registry, "digest_of", refuse)
    assert provider.BuildahProvider().diff("id", OLD, PROPS).changes is False


def test_a_refresh_forgets_what_the_registry_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """After `pulumi refresh` the state would still claim an image that no node can pull."""
    monkeypatch.setattr(registry, "digest_of", lambda *_args, **_options: None)
    read = provider.BuildahProvider().read("id", OLD)
    assert read.outs is not None
    assert read.outs["content_hash"] == ""


def test_the_state_holds_a_reference_to_the_provider_not_its_code() -> None:
    """Every edit of the build code would be a difference in every image."""
    serialized = base64.b64decode(serialize_provider(provider.BuildahProvider()))
    assert provider.STATE_MODULE.encode() in serialized
    assert len(serialized) < 200
    assert serialize_provider(provider.BuildahProvider()) == serialize_provider(provider.BuildahProvider())
    assert issubclass(provider.BuildahProvider, dynamic.ResourceProvider)


# What the state of a stack holds as the provider of an image: made before the code moved to components/images/.
IN_THE_STATE = "gASVNAAAAAAAAACMGWNvbXBvbmVudHMuYnVpbGQucHJvdmlkZXKUjA9CdWlsZGFoUHJvdmlkZXKUk5QpgZQu"


def test_the_provider_in_an_old_state_is_found_and_still_written_the_same() -> None:
    """Files moved, and `pulumi up` could neither read nor change the images that a stack already has."""
    read = "import base64, sys, dill; print(type(dill.loads(base64.b64decode(sys.argv[1]))).__name__)"
    command = [sys.executable, "-W", "ignore", "-c", read, IN_THE_STATE]
    # A process of its own, as Pulumi's is: here the module is loaded already.
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout.strip()) == (0, "BuildahProvider"), found.stderr
    assert serialize_provider(provider.BuildahProvider()) == IN_THE_STATE
