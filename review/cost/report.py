"""Shows an estimate: as a table for a terminal, as one line for a comment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

from review.cost.estimate import Estimate, Line, estimate, on_aws
from review.cost.tables import Prices, Usage, prices, usage
from review.preview import Preview

_CENT = 0.005


def region(config: Mapping[str, str]) -> str | None:
    """Return the region of a stack's configuration; None where AWS bills nothing: no account, or an emulator."""
    found = json.loads(config.get("headwater:aws", "{}"))
    return found.get("region") if isinstance(found, dict) and not found.get("endpoint") else None


def assumptions(stack: str, config: Mapping[str, str]) -> Usage:
    """Return what is assumed of a stack's use; one with a schedule is awake for a part of the week only."""
    schedule = json.loads(config.get("headwater:aws", "{}")).get("schedule")
    if schedule is None:
        return usage(stack)
    # Imported here: the settings' library takes half a second to load.
    from components.settings import Schedule

    return replace(usage(stack), awake=Schedule.model_validate(schedule).share_awake)


def of_stack(stack: str) -> tuple[str, str | None]:
    """Return the month of a stack as text, from what its program registers, and what is wrong with it; None: nothing.

    Raises ProgramError, ValueError.
    """
    # Imported here: a preview's summary needs no Pulumi SDK, which takes a second to load.
    from review import program

    resources = program.run(stack)
    config = program.configuration(stack)
    where = region(config)
    if not on_aws(resources) or where is None:
        return f"AWS bills nothing for {stack}: it costs what the machine costs that it runs on.", None
    table, assumed = prices(where), assumptions(stack, config)
    month = estimate(resources, table, assumed)
    return screen(stack, month, table, assumed), _missing(month)


def _missing(month: Estimate) -> str | None:
    reasons = []
    if month.waiting:
        # Imported here: the settings' library takes half a second to load.
        from components.settings.packing import counted

        reasons.append(
            f"no node holds them: {counted(month.waiting)}; raise headwater:aws.cluster.nodes' cpu and disk, or lower "
            "what these pods ask for or how many there may be"
        )
    if month.unpriced:
        reasons.append(f"there is no price for {'; '.join(month.unpriced)}; add it to review/cost/prices.yaml")
    return f"the sum is not whole, for {'. And '.join(reasons)}" if reasons else None


def screen(stack: str, month: Estimate, table: Prices, assumed: Usage) -> str:
    """Return the whole estimate: every line, the total, the assumptions, and what is not in it."""
    width = max((len(line.resource.label) for line in month.lines), default=0)
    parts: dict[str, list[Line]] = {}
    for line in month.lines:
        parts.setdefault(line.resource.label, []).append(line)
    lines = [f"{stack}, USD a month at list prices of {table.region} as of {table.as_of} (check them yourself)", ""]
    for label, each in sorted(parts.items(), key=lambda item: -sum(line.usd for line in item[1])):
        what = [line.what if len(each) == 1 else f"{line.usd:,.2f} {line.what}" for line in each]
        lines.append(f"{sum(line.usd for line in each):>10,.2f}  {label:<{width}}  {'; '.join(what)}")
    sum_of = "without what has no price" if month.unpriced or month.waiting else "in all"
    lines += [f"{'─' * 10}", f"{month.total:>10,.2f}  {sum_of}", ""]
    if table.other is not None:
        lines.append(f"There is no table for {table.other}; prices differ from region to region, by 20 % and more.")
    lines += month.nodes
    values = ", ".join(f"{name}={_said(value)}" for name, value in asdict(assumed).items())
    lines.append(f"Assumed (review/cost/usage.yaml): {values}.")
    lines.append(f"{month.free} resources cost nothing.")
    kept = ", nodes that a single pod keeps, also at night (Auto Mode ends only empty ones)" if month.nodes else ""
    left_out = f"traffic to the internet and between zones, backups beyond the size of the disk, support{kept}"
    lines.append(f"Not in it: {left_out}.")
    if month.unpriced:
        lines += [f"Not priced: {len(month.unpriced)}", *(f"  {each}" for each in month.unpriced)]
    return "\n".join(lines)


def _said(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_said(each)}" for name, each in value.items()) + "}"
    return f"{round(value, 3):,}" if isinstance(value, (int, float)) else str(value)


def difference(stack: str, preview: Preview) -> str | None:
    """Return one line about what a preview does to the bill; None where the stack is on no account.

    The stack's whole month is told where the preview lists unchanged resources too (--show-sames).
    """
    where = region(preview.config)
    changed = [each for each in preview.changes if each.operation != "same"]
    if where is None or preview.errors:
        return None
    table, assumed = prices(where), assumptions(stack, preview.config)
    # The whole of it where it is listed: a pod's request changes the nodes, which follow from all pods together.
    seen = preview.changes if preview.is_whole else changed
    before = estimate([each.before for each in seen if each.before is not None], table, assumed)
    after = estimate([each.resource for each in seen if each.operation != "delete"], table, assumed)
    unpriced = sorted({*before.unpriced, *after.unpriced})
    amount = after.total - before.total
    sign = "no change" if abs(amount) < _CENT else f"{'+' if amount > 0 else '−'}${abs(amount):,.2f} a month"  # noqa: RUF001
    whole = estimate(preview.planned, table, assumed)
    total = f" of about ${whole.total:,.0f}" if preview.is_whole else ""
    missing = f"; not priced: {len(unpriced)} that change" if unpriced else ""
    note = "" if table.other is None else f", of {table.region} for want of {table.other}'s"
    return f"Cost: {sign}{total} (list prices as of {table.as_of}{note}{missing})."
