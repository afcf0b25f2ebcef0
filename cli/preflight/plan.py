"""The screen that `make up` shows first: the machine, what will be done and downloaded, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cli.preflight.machine import Finding
from localstack.console import duration


@dataclass(frozen=True)
class Work:
    """One thing that `make up` will do: what, for which items, how much it downloads and about how long it takes."""

    title: str
    items: tuple[str, ...]
    download_mb: int
    estimate_s: float


def problems(findings: Sequence[Finding]) -> list[str]:
    """Return what keeps `make up` from starting, with the way out of each."""
    return [
        f"{finding.what}: {finding.value}; {finding.problem}" for finding in findings if finding.problem is not None
    ]


def render(findings: Sequence[Finding], work: Sequence[Work], home: str) -> str:
    """Return the screen: the check's lines, the work with its downloads and times, and where everything goes."""
    lines = ["This machine"]
    for finding in findings:
        note = finding.problem if finding.problem is not None else finding.warning
        mark = "✘" if finding.problem is not None else "!" if finding.warning is not None else "✔"
        lines.append(f"  {mark} {finding.what:<16} {finding.value}" + ("" if note is None else f": {note}"))
    lines.append("")
    if not work:
        return "\n".join([*lines, "Everything is there. `make up` checks it and starts what is stopped."])
    lines.append("What `make up` will do")
    for each in work:
        size = f"{each.download_mb} MB" if each.download_mb > 0 else ""
        lines.append(f"  • {each.title:<42} {size:>8}  {duration(each.estimate_s):>12}")
        if each.items:
            lines.append(f"      {wrap(each.items)}")
    total_mb = sum(each.download_mb for each in work)
    total_s = sum(each.estimate_s for each in work)
    lines += [
        "",
        f"  Together: about {total_mb} MB to download, about {duration(max(10, total_s))}.",
        "  Stop it at any time (Ctrl-C); run again, it continues. `make destroy` removes all of it.",
        f"  Everything is kept below {home}; no port is open to other machines.",
    ]
    return "\n".join(lines)


def wrap(items: Sequence[str], width: int = 100) -> str:
    """Return the items, comma separated, cut to one line of `width` with the number of those left out."""
    shown: list[str] = []
    for index, item in enumerate(items):
        if len(", ".join([*shown, item])) > width:
            return f"{', '.join(shown)} and {len(items) - index} more"
        shown.append(item)
    return ", ".join(shown)
