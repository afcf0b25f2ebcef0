"""Writes a preview as one Markdown comment: which properties change, never their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from review.preview import ORDER, Change, Operation, Preview, hides_its_change
from review.resources import managed
from review.stateful import holds

TITLES: Mapping[Operation, str] = {
    "delete": "Delete",
    "replace": "Replace",
    "update": "Change",
    "create": "Create",
    "same": "Unchanged",
}
RESOURCES_SHOWN = 25
PATHS_SHOWN = 8
ERRORS_SHOWN = 10
# GitHub refuses a comment beyond 65,536 characters; several stacks may share one.
LONGEST = 60_000
_LINE_LENGTH = 300


def marker(stack: str) -> str:
    """Return the hidden line by which the comment of a stack is found again."""
    return f"<!-- headwater-preview:{stack} -->"


def losses(preview: Preview) -> list[Change]:
    """Return the deletions and replacements of resources that hold what can't be made again."""
    changes = [*preview.of("delete"), *preview.of("replace")]
    return [each for each in changes if holds(each.resource.type) is not None]


def comment(
    stack: str,
    preview: Preview,
    *,
    violations: Sequence[str] = (),
    cost: str | None = None,
    link: str | None = None,
) -> str:
    """Return the comment of a stack. violations: broken rules, a line each. cost: the line about it. link: the log."""
    parts = [marker(stack), f"### Preview of `{stack}`"]
    if preview.errors:
        parts += ["**The preview failed**; what follows is as far as it came.", _errors(preview.errors)]
    parts += _warnings(losses(preview))
    parts.append(_counts(preview))
    if cost is not None:
        parts.append(cost)
    if violations:
        shown = [f"- {_cut(each)}" for each in violations[:RESOURCES_SHOWN]]
        parts += [f"**Broken rules: {len(violations)}**", "\n".join([*shown, *_more(violations, RESOURCES_SHOWN)])]
    for operation in ORDER:
        changes = [each for each in preview.of(operation) if any(managed([each.resource]))]
        if changes and operation != "same":
            parts.append(_section(operation, changes))
    if link is not None:
        parts.append(f"[Log with Pulumi's own diff]({link})")
    return _fit("\n\n".join(parts) + "\n")


def _counts(preview: Preview) -> str:
    columns: tuple[Operation, ...] = ("create", "update", "replace", "delete", "same")
    head = " | ".join(TITLES[each] for each in columns)
    numbers = " | ".join(str(preview.counts[each]) for each in columns)
    return f"| {head} |\n|{'---:|' * len(columns)}\n| {numbers} |"


def _warnings(changes: Iterable[Change]) -> list[str]:
    lines = []
    for each in changes:
        verb = "Deletes" if each.operation == "delete" else "Replaces"
        lines.append(f"> **{verb} `{_safe(each.resource.label)}`: it holds {holds(each.resource.type)}.**")
    listed = ["> [!WARNING]", *lines[:RESOURCES_SHOWN], *_more(lines, RESOURCES_SHOWN, "> ")]
    return ["\n".join(listed)] if lines else []


def _section(operation: Operation, changes: Sequence[Change]) -> str:
    lines = [_line(each) for each in changes[:RESOURCES_SHOWN]]
    listed = "\n".join([*lines, *_more(changes, RESOURCES_SHOWN)])
    title = f"{TITLES[operation]} ({len(changes)})"
    if operation == "create":
        # New resources are rarely what goes wrong; they must not push the rest out of sight.
        return f"<details><summary>{title}</summary>\n\n{listed}\n\n</details>"
    return f"**{title}**\n\n{listed}"


def _line(change: Change) -> str:
    name = f"`{_safe(change.resource.type)}` {_code(change.resource.name)}"
    if change.operation in {"delete", "replace"} and holds(change.resource.type) is not None:
        name = f"**{name}**"
    if change.operation == "replace":
        others = [path for path in change.paths if path not in change.forces]
        forced = f"forced by {_paths(change.forces)}" if change.forces else "asked for"
        return f"- {name}: {forced}" + (f"; also {_paths(others)}" if others else "")
    if change.operation == "update":
        return f"- {name}: {'a secret value' if hides_its_change(change) else _paths(change.paths)}"
    return f"- {name}"


def _paths(paths: Sequence[str]) -> str:
    if not paths:
        return "no property that the preview names"
    shown = ", ".join(_code(path) for path in paths[:PATHS_SHOWN])
    return shown + (f" and {len(paths) - PATHS_SHOWN} more" if len(paths) > PATHS_SHOWN else "")


def _errors(errors: Sequence[str]) -> str:
    lines = [line for text in errors for line in text.splitlines() if line.strip()]
    shown = [_cut(line).replace("```", "'''") for line in lines[:ERRORS_SHOWN]]
    return "\n".join(["```", *shown, *_more(lines, ERRORS_SHOWN), "```"])


def _more(items: Sequence[object], shown: int, prefix: str = "") -> list[str]:
    return [f"{prefix}… and {len(items) - shown} more"] if len(items) > shown else []


def _code(text: str) -> str:
    return f"`{_safe(text)}`"


def _safe(text: str) -> str:
    """Return text that neither ends its code span nor starts a line, a mention or HTML."""
    return " ".join(_cut(text).replace("`", "'").split())


def _cut(text: str) -> str:
    return text if len(text) <= _LINE_LENGTH else text[: _LINE_LENGTH - 1] + "…"


def _fit(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    cut = text[:LONGEST].rsplit("\n", 1)[0]
    closing = "\n\n</details>" if cut.count("<details>") > cut.count("</details>") else ""
    return f"{cut}{closing}\n\n… cut at {LONGEST:,} characters; the log of the run has the rest.\n"
