"""Writes a preview for a terminal: the same facts as the comment, in columns."""

from __future__ import annotations

from collections.abc import Sequence

from review.markdown import TITLES, losses
from review.preview import Change, Preview, hides_its_change
from review.stateful import holds

SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
PATHS_SHOWN = 6


def screen(stack: str, preview: Preview, *, violations: Sequence[str] = (), cost: str | None = None) -> str:
    """Return the text: the resources that change, what is lost with them, broken rules, and the counts."""
    lines = [f"error: {line}" for text in preview.errors for line in text.splitlines() if line.strip()]
    for operation, sign in SIGNS.items():
        for change in preview.of(operation):  # type: ignore[arg-type]
            lines.append(f"  {sign} {change.resource.label}{_what(change)}")
    lines += [
        f"Warning: {TITLES[each.operation].lower()}s {each.resource.label}, which holds {holds(each.resource.type)}"
        for each in losses(preview)
    ]
    lines += [f"Broken rule: {each}" for each in violations]
    counts = ", ".join(f"{number} {TITLES[each].lower()}" for each, number in preview.counts.items() if number)
    if lines:
        lines.append("")
    # What a failed preview counts is only what came before the failure.
    told = f"the preview failed; so far {counts or 'nothing'}" if preview.errors else counts or "nothing"
    lines.append(f"{stack}: {told}")
    return "\n".join([*lines, *([] if cost is None else [cost])])


def _what(change: Change) -> str:
    if change.operation == "update":
        paths: Sequence[str] = ("a secret value",) if hides_its_change(change) else change.paths
    elif change.operation == "replace":
        paths = [f"{path} (forces it)" if path in change.forces else path for path in change.paths]
    else:
        return ""
    more = f" and {len(paths) - PATHS_SHOWN} more" if len(paths) > PATHS_SHOWN else ""
    return f": {', '.join(paths[:PATHS_SHOWN])}{more}"
