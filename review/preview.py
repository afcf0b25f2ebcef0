"""Reads the JSON of `pulumi preview --json`: what an update would do, as typed data.

The document is display.PreviewDigest of Pulumi's pkg/display/json.go. It lists unchanged resources only with
`--show-sames`; the counts of `changeSummary` hold them always. Policy violations are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from review.resources import SECRET, Resource, from_state

Operation = Literal["create", "update", "replace", "delete", "same"]
ORDER: tuple[Operation, ...] = ("delete", "replace", "update", "create", "same")
"""What a reviewer must see first comes first."""
# Pulumi's own operations (pkg/resource/deploy/step.go) as a reviewer counts them; others change nothing.
_COUNTED: Mapping[str, Operation] = {
    "create": "create",
    "import": "create",
    "read": "same",
    "same": "same",
    "refresh": "same",
    "update": "update",
    "replace": "replace",
    "import-replacement": "replace",
    "read-replacement": "same",
    "delete": "delete",
    "discard": "delete",
    "remove-pending-replace": "delete",
}
# The two halves of a replacement, which `--show-replacement-steps` lists beside it.
_HALVES = {"create-replacement", "delete-replaced", "discard-replaced"}
_INTERNAL = "__"


class PreviewError(ValueError):
    """The text is no preview; the message says what it is and how one is made."""


@dataclass(frozen=True)
class Change:
    """What happens to one resource. paths: the properties that change; forces: those that force a replacement."""

    operation: Operation
    resource: Resource
    before: Resource | None = None
    paths: tuple[str, ...] = ()
    forces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """A whole preview. counts: resources by operation, without the stack itself. errors: why it failed, if it did."""

    changes: tuple[Change, ...]
    counts: Mapping[Operation, int]
    errors: tuple[str, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)

    @property
    def planned(self) -> list[Resource]:
        """The resources as they will be after the update: all of them if the preview was made with --show-sames."""
        return [each.resource for each in self.changes if each.operation != "delete"]

    @property
    def is_whole(self) -> bool:
        """Whether unchanged resources are listed too, as --show-sames does."""
        return sum(each.operation == "same" for each in self.changes) == self.counts["same"]

    def of(self, operation: Operation) -> list[Change]:
        """Return the changes of one kind, ordered by type and name."""
        found = [each for each in self.changes if each.operation == operation]
        return sorted(found, key=lambda each: (each.resource.type, each.resource.name))


def parse(text: str) -> Preview:
    """Return the preview in the output of `pulumi preview --json`. Raises PreviewError for any other text."""
    try:
        digest = json.loads(text)
    except ValueError as error:
        raise PreviewError(f"{_quoted(text)} is no JSON ({error}); make it with `pulumi preview --json`") from error
    if not isinstance(digest, dict) or not {"steps", "changeSummary", "diagnostics"} & set(digest):
        raise PreviewError(f"{_quoted(text)} is no preview; make it with `pulumi preview --json --show-sames`")
    steps = [step for step in digest.get("steps", []) if step["op"] not in _HALVES and not _is_stack(step)]
    changes = _strongest(_change(step) for step in steps)
    return Preview(
        changes=changes,
        counts=_counts(digest, changes),
        errors=tuple(
            str(each.get("message", "")).strip().removeprefix("error: ")
            for each in digest.get("diagnostics", [])
            if each.get("severity") == "error"
        ),
        config={str(key): str(value) for key, value in digest.get("config", {}).items()},
    )


def _strongest(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return one change a resource: `--refresh` lists each twice, as it was found and as the program wants it."""
    found: dict[str, Change] = {}
    for change in changes:
        known = found.get(change.resource.urn)
        if known is None or ORDER.index(change.operation) <= ORDER.index(known.operation):
            found[change.resource.urn] = change
    return tuple(found.values())


def _change(step: Mapping[str, Any]) -> Change:
    operation = step["op"]
    if operation not in _COUNTED:
        raise PreviewError(f"steps[].op={operation!r} of {step['urn']} is not known; known: {', '.join(_COUNTED)}")
    counted = _COUNTED[operation]
    old, new = step.get("oldState"), step.get("newState")
    shown = new if new is not None else old
    if shown is None:
        # A state that Pulumi could not write as JSON is left out; the URN still says type and name.
        urn = str(step["urn"])
        shown = {"urn": urn, "type": urn.split("::")[-2].rsplit("$", 1)[-1]}
    before = None if old is None else from_state(old)
    resource = from_state(shown)
    changed = counted in {"update", "replace"}
    return Change(
        operation=counted,
        resource=resource,
        before=before,
        paths=_paths(step, before, resource) if changed else (),
        forces=tuple(sorted(step.get("replaceReasons") or [])) if counted == "replace" else (),
    )


def _paths(step: Mapping[str, Any], before: Resource | None, after: Resource) -> tuple[str, ...]:
    """Return the changed properties: the provider's own diff, else its top-level keys, else what the inputs tell."""
    detailed = step.get("detailedDiff")
    if detailed:
        found = set(detailed)
    else:
        found = set(differences({} if before is None else before.inputs, after.inputs))
        found |= {key for key in step.get("diffReasons") or [] if not _covered(key, found)}
        found |= {key for key in step.get("replaceReasons") or [] if not _covered(key, found)}
    return tuple(sorted(path for path in found if not path.startswith(_INTERNAL)))


def _covered(key: str, paths: set[str]) -> bool:
    return any(path == key or path.startswith((f"{key}.", f"{key}[")) for path in paths)


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which two values differ, as Pulumi writes them: `spec.containers[0].image`.

    Two secrets look alike: whether they differ can't be seen here.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            text = str(key)
            step = f'["{text}"]' if "." in text or "/" in text else (f".{text}" if path else text)
            yield from differences(old.get(key), new.get(key), path + step)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from differences(left, right, f"{path}[{index}]")
    elif old != new:
        yield path


def hides_its_change(change: Change) -> bool:
    """Return whether an update shows no path because what changes is a secret."""
    if change.operation != "update" or change.paths:
        return False
    return SECRET in json.dumps({k: v for k, v in change.resource.inputs.items() if not k.startswith(_INTERNAL)})


def _counts(digest: Mapping[str, Any], changes: tuple[Change, ...]) -> dict[Operation, int]:
    """Return resources by operation. Unchanged ones are counted from changeSummary, which holds the stack too."""
    counts: dict[Operation, int] = dict.fromkeys(ORDER, 0)
    for change in changes:
        counts[change.operation] += 1
    summary = digest.get("changeSummary") or {}
    stack = sum(_COUNTED.get(step["op"]) == "same" for step in digest.get("steps", []) if _is_stack(step))
    same = sum(number for operation, number in summary.items() if _COUNTED.get(operation) == "same")
    return counts | {"same": max(counts["same"], same - stack)}


def _is_stack(step: Mapping[str, Any]) -> bool:
    return "::pulumi:pulumi:Stack::" in str(step["urn"])


def _quoted(text: str) -> str:
    start = text.strip()[:40]
    return repr(start) if start else "an empty text"
