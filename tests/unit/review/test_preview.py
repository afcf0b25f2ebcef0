"""What a reviewer is told, on recorded output of `pulumi preview --json`."""

from __future__ import annotations

import json

import pytest

from review import markdown, preview, terminal
from review.cost import report
from review.resources import Resource
from review.rules import catalogue, workloads
from tests.unit.review.conftest import FIXTURES, ROOT, deployment, recorded


def test_every_operation_of_a_real_preview_is_told_apart() -> None:
    """A replacement counted as a change: the reviewer waves through the loss of a database."""
    found = recorded("changed")
    assert {each.resource.name: each.operation for each in found.changes} == {
        "part": "same", "kept": "same", "data": "replace", "new": "create", "loader": "update",
        "old": "delete", "scratch": "delete",
    }  # fmt: skip
    assert found.counts == {"delete": 2, "replace": 1, "update": 1, "create": 1, "same": 2}


def test_counts_are_the_same_however_the_preview_was_made() -> None:
    """A replacement listed as its two halves counted three times; unchanged resources, not listed, counted as none."""
    assert recorded("replacement-steps").counts == recorded("changed").counts
    assert recorded("refreshed").counts == recorded("changed").counts
    assert recorded("unchanged").counts["same"] == 6


def test_drift_is_a_change_though_the_program_wants_what_it_wanted() -> None:
    """A bucket opened by hand: found by the refresh, then lost behind the program's own "same"."""
    state = {"urn": "urn:pulumi:dev::p::aws:s3/bucket:Bucket::b", "type": "aws:s3/bucket:Bucket"}
    step = {"urn": state["urn"], "oldState": state, "newState": state, "detailedDiff": None}
    drift = step | {"op": "update", "detailedDiff": {"acl": {"kind": "update", "inputDiff": False}}}
    found = preview.parse(json.dumps({"steps": [drift, step | {"op": "same"}]}))
    assert [(each.operation, each.paths) for each in found.changes] == [("update", ("acl",))]


def test_changed_properties_are_named_to_the_leaf() -> None:
    """ "spec changed" tells nothing about a Deployment of two hundred lines."""
    (update,) = recorded("changed").of("update")
    assert update.paths == ("disk", "spec.args[1]", "spec.limits.memory")
    (replace,) = recorded("changed").of("replace")
    assert (replace.forces, replace.paths) == (("zone",), ("size", "zone"))


def test_no_value_of_a_resource_is_in_the_comment() -> None:
    """A password that nobody marked as a secret, mailed to every subscriber of the repository."""
    text = json.loads((FIXTURES / "changed.json").read_text())
    for step in text["steps"]:
        for state in ("oldState", "newState"):
            step.get(state, {}).setdefault("inputs", {})["note"] = f"hunter2-{state}"
    shown = markdown.comment("dev", preview.parse(json.dumps(text)))
    assert "`note`" in shown
    assert "hunter2" not in shown
    assert "hunter2" not in terminal.screen("dev", preview.parse(json.dumps(text)))


def test_what_loses_data_is_bold_and_warned_of_first() -> None:
    """A dropped database in line 60 of a list."""
    shown = markdown.comment("prod", recorded("changed"))
    warning = shown.index("> **Replaces `Instance data`: it holds databases.**")
    assert shown.index("> **Deletes `Instance scratch`") < warning < shown.index("| Create |")
    assert "- **`aws:rds/instance:Instance` `data`**: forced by `zone`; also `size`" in shown
    assert "- `kubernetes:batch/v1:Job` `old`\n" in shown
    assert "WARNING" not in markdown.comment("prod", recorded("create"))


def test_a_failed_preview_says_so_and_why() -> None:
    """ "0 changes" for a program that did not run: merged as harmless."""
    shown = markdown.comment("dev", recorded("failed"))
    assert "**The preview failed**" in shown
    assert "value 'abc' is not a valid 'int'" in shown
    assert "error: Configuration 'shop:step'" in terminal.screen("dev", recorded("failed"))
    early = preview.Preview((), dict.fromkeys(preview.ORDER, 0), errors=("no such setting",))
    assert terminal.screen("dev", early).splitlines()[-1] == "dev: the preview failed; so far nothing"


def test_a_change_of_a_secret_alone_is_told() -> None:
    """A rotated password shown as a change of nothing."""
    state = {"urn": "urn:pulumi:dev::p::kubernetes:core/v1:Secret::s", "type": "kubernetes:core/v1:Secret",
             "inputs": {"stringData": "[secret]"}}  # fmt: skip
    step = {"op": "update", "urn": state["urn"], "oldState": state, "newState": state, "detailedDiff": None}
    assert "`s`: a secret value" in markdown.comment("dev", preview.parse(json.dumps({"steps": [step]})))


def test_the_providers_own_diff_wins() -> None:
    """Properties that the provider ignores (defaults, order) reported as changes."""
    state = {"urn": "urn:pulumi:dev::p::aws:s3/bucket:Bucket::b", "type": "aws:s3/bucket:Bucket"}
    step = {"op": "update", "urn": state["urn"], "diffReasons": ["tags"],
            "oldState": state | {"inputs": {"tags": {"a": 1}, "acl": "x"}},
            "newState": state | {"inputs": {"tags": {"a": 2}, "acl": "X"}},
            "detailedDiff": {"tags.a": {"kind": "update", "inputDiff": True}}}  # fmt: skip
    (change,) = preview.parse(json.dumps({"steps": [step]})).changes
    assert change.paths == ("tags.a",)


def test_long_lists_are_cut_with_their_number_and_fit_into_a_comment() -> None:
    """GitHub refuses the comment of the first deployment, which creates hundreds of resources."""
    changes = tuple(
        preview.Change("delete", Resource("aws:s3/bucket:Bucket", f"b{number}"), paths=("x" * 500,))
        for number in range(900)
    )
    counts = dict.fromkeys(preview.ORDER, 0) | {"delete": 900}
    shown = markdown.comment("dev", preview.Preview(changes, counts), violations=["y" * 4000] * 400)
    assert len(shown) < 65_536
    assert "… and 875 more" in shown
    assert "**Delete (900)**" in shown


def test_names_cannot_leave_their_code_span() -> None:
    """A resource's name that writes headings, mentions or HTML into the comment of a bot."""
    name = "x`\n# hello @everyone <script>"
    changes = (preview.Change("create", Resource("a:b:C", name)),)
    shown = markdown.comment("dev", preview.Preview(changes, dict.fromkeys(preview.ORDER, 0)))
    assert "`x' # hello @everyone <script>`" in shown


OTHER_TEXTS = [
    ("", "an empty text"),
    ("Previewing update", "'Previewing update'"),
    ("[]", "no preview"),
    ('{"steps": [{"op": "bend", "urn": "u"}]}', "'bend'"),
]


@pytest.mark.parametrize(("text", "said"), OTHER_TEXTS)
def test_other_text_is_refused_with_the_way_to_make_a_preview(text: str, said: str) -> None:
    """An empty table, green, for a command that printed an error."""
    with pytest.raises(preview.PreviewError, match=said):
        preview.parse(text)


def test_each_stack_has_its_own_comment() -> None:
    """The preview of prod overwriting that of staging, or a new comment at every push."""
    first, second = markdown.comment("staging", recorded("create")), markdown.comment("prod", recorded("create"))
    assert first.startswith(markdown.marker("staging") + "\n")
    assert markdown.marker("prod") not in first
    assert markdown.marker("staging") not in second


def test_the_example_in_the_documentation_is_what_the_tool_writes() -> None:
    """A page that shows a comment of two versions ago."""
    config = {"headwater:aws": '{"region": "eu-central-1"}'}
    size = {"allocatedStorage": 100.0, "storageType": "gp3", "storageEncrypted": True}
    before = Resource("aws:rds/instance:Instance", "database-instance", {**size, "instanceClass": "db.m7g.large"})
    after = Resource("aws:rds/instance:Instance", "database-instance", {**size, "instanceClass": "db.m7g.xlarge"})
    trino = deployment(image="trinodb/trino:476")
    secret = Resource("kubernetes:core/v1:Secret", "trino-secret", {"stringData": "[secret]"})
    found = preview.Preview(
        changes=(
            preview.Change("replace", after, before, ("availabilityZone", "instanceClass"), ("availabilityZone",)),
            preview.Change("update", trino, trino, ("spec.template.spec.containers[0].image",)),
            preview.Change("update", secret, secret),
            preview.Change("create", Resource("kubernetes:core/v1:ConfigMap", "trino-groups")),
        ),
        counts={"create": 1, "update": 2, "replace": 1, "delete": 0, "same": 210},
        config=config,
    )
    broken = catalogue.lines([("images-by-digest", each) for each in workloads.images_by_digest(trino)])
    shown = markdown.comment("prod", found, violations=broken, cost=report.difference("prod", found))
    quoted = "\n".join(f"> {line}".rstrip() for line in shown.rstrip().split("\n")[2:])
    assert quoted in (ROOT / "docs" / "pull-requests.md").read_text()
