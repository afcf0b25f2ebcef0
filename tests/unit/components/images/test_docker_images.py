"""Images that Docker builds: their contexts, their tags, the copies of their bases, and what is read back."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.connections import Registry
from components.images import bases, context, served
from components.images.docker import DockerBuild
from components.images.specs import SPECS
from review.recorder import DIGEST
from tests.unit.components import conftest, iam
from tests.unit.components.conftest import ROOT, Resource, aws_program, plain, run_program, stack_config
from tests.unit.components.images import docker_context

IMAGE, INDEX = "docker-build:index:Image", "docker-build:index:Index"
PINNED = dict.fromkeys(("PYTHON_IMAGE", "JAVA_IMAGE"), f"docker.io/x@sha256:{'a' * 64}")


def of(resources: list[Resource], kind: str) -> dict[str, dict[str, Any]]:
    return {each.name: plain(each.inputs) for each in resources if each.type == kind}


def dev_with_docker(**images: Any) -> list[Resource]:
    config = stack_config()
    chosen = {**json.loads(config["headwater:images"]), "builder": "docker", **images}
    return run_program({**config, "headwater:images": json.dumps(chosen)})[0]


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of pipeline_code/ that the program builds from, and builds whose outcome depends on what goes in."""
    copy = tmp_path / context.PLACE
    shutil.copytree(context.ROOT, copy, ignore=shutil.ignore_patterns(*context.LEFTOVERS))
    monkeypatch.setattr(context, "ROOT", copy)
    monkeypatch.setattr(conftest.Cloud, "digest", lambda _, inputs: outcome(inputs))
    return copy


def outcome(inputs: dict[str, Any]) -> str:
    """Return another digest for another build: of buildah by what it is keyed by, of Docker by the whole context.

    An index is another one for other images.
    """
    if "sources" in inputs:
        return f"sha256:{_hashed(inputs['sources'])}"
    return f"sha256:{inputs['content_hash']}" if "content_hash" in inputs else docker_context.context_hash(inputs)


def _hashed(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def built(resources: list[Resource]) -> dict[str, Any]:
    """Return what each image came out as, by its name."""
    images = [each for each in resources if each.type == IMAGE or each.type.endswith(":BuildahImage")]
    return {
        each.name.removesuffix("-amd64"): each.outputs["digest" if each.type == IMAGE else "reference"]
        for each in images
    }


def workloads(resources: list[Resource]) -> dict[str, str]:
    kinds = ("Deployment", "StatefulSet", "Job", "CronJob")
    return {
        f"{each.kind} {each.name}": json.dumps(plain(each.inputs)["spec"]) for each in resources if each.kind in kinds
    }


@pytest.mark.parametrize("builder", ["docker", "buildah"])
def test_a_changed_dbt_model_builds_one_image_and_rolls_what_carries_it(code: Path, builder: str) -> None:
    """Eight images for one line of SQL, and a preview in which every workload changes."""
    before = dev_with_docker(builder=builder)
    model = next((code / "transformation" / "models").rglob("*.sql"))
    model.write_text(model.read_text() + "\n-- changed\n")
    (code / "trino" / "__pycache__").mkdir()
    (code / "trino" / "__pycache__" / "leftover.pyc").write_bytes(b"x")
    after = dev_with_docker(builder=builder)
    was, now = built(before), built(after)
    assert {name for name in now if now[name] != was[name]} == {"orchestration"}
    was, now = workloads(before), workloads(after)
    rolled = {name for name in now if now[name] != was[name]}
    assert rolled == {name for name, spec in now.items() if "/orchestration@sha256:" in spec}
    assert len(rolled) >= 3


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_docker_gets_the_folders_of_the_image_and_nothing_else(spec: Any) -> None:
    """A context of all images, or a tag that says nothing of a file that is in it. `make lock` writes the lists."""
    place = f"{context.PLACE}/{spec.name}/Dockerfile"
    assert (ROOT / f"{place}.dockerignore").read_text() == context.ignore_file(spec.directories)
    assert docker_context.sent(place) == context.files(spec.directories)


def test_the_state_knows_no_checkout(aws_stack: tuple[str, list[Resource], dict[str, Any]]) -> None:
    """Another laptop, or CI, has the checkout elsewhere: every image would be built anew."""
    for name, inputs in of(aws_stack[1], IMAGE).items():
        assert not Path(inputs["context"]["location"]).is_absolute(), name
        assert (ROOT / inputs["dockerfile"]["location"]).is_file(), name
        assert str(ROOT) not in json.dumps(inputs), name


def test_modes_of_a_machine_are_refused(monkeypatch: pytest.MonkeyPatch, code: Path) -> None:
    """Files with an umask of 077: an image that its user can't read; of 002: another image of the same commit."""
    (code / "trino" / "pom.xml").chmod(0o600)
    with pytest.raises(pulumi.RunError, match=r"trino/pom.xml has mode 0600.*chmod -R"):
        dev_with_docker()


def tagged(**changed: Any) -> DockerBuild:
    given = {"name": "trino", "directories": ("trino",), "arguments": PINNED, "platforms": ["linux/amd64"]}
    return DockerBuild(**{**given, "registry": Registry("registry.example.com", "headwater"), **changed})


def test_a_tag_tells_what_went_in_and_what_came_out() -> None:
    """ECR refuses a second image under a tag: `pulumi up` fails until somebody deletes it by hand."""
    tag = tagged().tag([DIGEST])
    assert tag.startswith("registry.example.com/headwater/trino:image-")
    others = {
        tagged().tag(["sha256:" + "b" * 64]),
        tagged(platforms=["linux/amd64", "linux/arm64"]).tag([DIGEST]),
        tagged(directories=("trino", "cache")).tag([DIGEST]),
        tagged(arguments={**PINNED, "JAVA_IMAGE": f"docker.io/x@sha256:{'b' * 64}"}).tag([DIGEST]),
    }
    assert len(others) == 4
    assert tag not in others
    # A copy by digest is the same image.
    copied = {name: f"registry.example.com/base/{value.rsplit('/', 1)[1]}" for name, value in PINNED.items()}
    assert tagged(arguments=copied).tag([DIGEST]) == tag


def test_no_push_is_under_a_tag_that_never_moves(aws_stack: tuple[str, list[Resource], dict[str, Any]]) -> None:
    """What a build comes out as is known after it: a tag from before meets the image of an earlier try."""
    _, resources, _ = aws_stack
    images, indices = of(resources, IMAGE), of(resources, INDEX)
    assert len(images) == 2 * len([name for name in indices if name.endswith("-tag")])
    for name, inputs in images.items():
        assert inputs["tags"] == [], name
        assert inputs["push"] is False, name
        (export,) = inputs["exports"]
        assert export["registry"]["pushByDigest"] is True, name
        assert len(inputs["platforms"]) == 1, name
        (kept,) = inputs["cacheTo"]
        assert kept["registry"]["ref"].endswith(f":build-cache-{name.rpartition('-')[2]}"), name
    for resource in resources:
        if resource.type == INDEX:
            # Its deletion deletes the image in the registry.
            assert resource.retained, resource.name


def test_bases_are_copied_with_all_platforms_and_by_digest() -> None:
    """A copy of one architecture, of whatever a tag means today, or that stays when the pin moves."""
    resources, _ = aws_program("prod")
    host, pinned = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/headwater-prod/base", bases.read()
    copies = {name.removesuffix("-mirror"): each for name, each in of(resources, INDEX).items() if "mirror" in name}
    assert set(copies) == {"PYTHON_IMAGE", "JAVA_IMAGE", "DEBIAN_IMAGE"}
    for argument, copy in copies.items():
        assert copy["sources"] == [pinned[argument].reference]
        name, tag = copy["tag"].rsplit(":", 1)
        assert name == f"{host}/{pinned[argument].name.split(':')[0]}"
        # Another digest is another tag, and so another resource in the place of this one.
        assert tag == f"image-{(pinned[argument].digest or '')[7:19]}"
    urns = {each.urn for each in resources if each.name.endswith("-mirror")}
    for resource in resources:
        if resource.type == IMAGE:
            for argument, reference in plain(resource.inputs)["buildArgs"].items():
                assert reference.startswith(f"{host}/"), resource.name
                assert reference.endswith(f"@{pinned[argument].digest}"), resource.name
            assert resource.after & urns, resource.name
    assert not [each for each in aws_program("staging")[0] if each.name.endswith("-mirror")]


def test_the_registry_is_read_with_dockers_own_login(aws_stack: tuple[str, list[Resource], dict[str, Any]]) -> None:
    """A token in the state; or no login at all, which ECR refuses."""
    _, resources, _ = aws_stack
    (provider,) = [plain(each.inputs) for each in resources if each.type == "pulumi:providers:docker"]
    (login,) = json.loads(provider["registryAuth"])
    assert set(login) == {"address"}
    assert ".dkr.ecr." in login["address"]
    assert json.loads(provider["disableDockerDaemonCheck"]) is True
    assert not [each for each in resources if each.type.startswith("docker:")]


def test_what_a_workload_gets_was_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that the registry has lost, or that one architecture of the nodes lacks: pods that never start."""
    asked: list[str] = []

    def answer(answers: conftest.Cloud, args: pulumi.runtime.MockCallArgs) -> Any:
        asked.append(args.args["name"])
        return call(answers, args)

    call = conftest.Cloud.call
    monkeypatch.setattr(conftest.Cloud, "call", answer)
    resources, _ = run_program(stack_config("staging"), "staging")
    assert sorted(asked) == sorted(each["tag"] for each in of(resources, INDEX).values())
    with pytest.raises(pulumi.RunError, match=r"has linux/amd64 and lacks linux/arm64"):
        served._checked("reference", "tag", ["linux/amd64"], ["linux/amd64", "linux/arm64"])


@pytest.mark.parametrize("builder", ["docker", "buildah"])
def test_every_base_is_taken_by_digest(builder: str) -> None:
    """A tag moves: the same commit builds another image, and nobody changed anything."""
    for resource in dev_with_docker(builder=builder):
        arguments = plain(resource.inputs).get("buildArgs", plain(resource.inputs).get("arguments", {}))
        if resource.type == IMAGE or resource.type.endswith(":BuildahImage"):
            assert arguments, resource.name
            assert all("@sha256:" in each for each in arguments.values()), resource.name


def test_the_registry_keeps_as_many_builds_as_the_setting_says(
    aws_stack: tuple[str, list[Resource], dict[str, Any]],
) -> None:
    """A build has three manifests and its layers a fourth: of `images: 20` five builds were left to go back to."""
    stack, resources, _ = aws_stack
    keep = json.loads(stack_config(stack)["headwater:aws"])["retention"].get("images", 20)
    tags = [each["tag"].rsplit(":", 1)[1] for each in of(resources, INDEX).values()]
    layers = [each["cacheTo"][0]["registry"]["ref"].rsplit(":", 1)[1] for each in of(resources, IMAGE).values()]
    policies = of(resources, "aws:ecr/lifecyclePolicy:LifecyclePolicy")
    assert policies
    for policy in policies.values():
        untagged, counted = (each["selection"] for each in json.loads(policy["policy"])["rules"])
        assert untagged["tagStatus"] == "untagged"
        assert (counted["countType"], counted["countNumber"]) == ("imageCountMoreThan", keep)
        (pattern,) = counted["tagPatternList"]
        assert all(iam.matches(pattern, tag) for tag in tags)
        assert not any(iam.matches(pattern, tag) for tag in layers)
    for repository in of(resources, "aws:ecr/repository:Repository").values():
        (movable,) = repository["imageTagMutabilityExclusionFilters"]
        assert all(iam.matches(movable["filter"], tag) for tag in layers)
        assert not any(iam.matches(movable["filter"], tag) for tag in tags)
