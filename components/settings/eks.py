"""How long EKS supports each version of Kubernetes: the only table of these dates, written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType

SOURCE = "https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html#kubernetes-release-calendar"
CHECKED = date(2026, 11, 29)
"""When the table was last compared with what AWS publishes."""
STANDARD_SUPPORT_ENDS: Mapping[str, date] = MappingProxyType(
    {
        "1.34": date(2026, 12, 2),
        "1.35": date(2027, 3, 27),
        "1.36": date(2027, 8, 2),
        # Released on 1 October 2026; AWS's rule is 14 months. The calendar's own line was not at hand.
        "1.37": date(2027, 12, 1),
    }
)
DEFAULT = "1.37"
# AWS announces the end of a version's support at least this long before, and upgrades by itself at its end.
LEAST_SUPPORT_DAYS = 60


def today() -> date:
    """Return the day that ends of support are compared with."""
    return datetime.now(UTC).date()


def unsupported(version: str) -> str | None:
    """Return why a cluster must not be of the version any more, with the way out; None where it may be."""
    ends = STANDARD_SUPPORT_ENDS.get(version)
    if ends is None:
        return f"take one of {', '.join(STANDARD_SUPPORT_ENDS)}, or add its line of {SOURCE} to {__name__}"
    if (ends - today()).days >= LEAST_SUPPORT_DAYS:
        return None
    return (
        f"its standard support ends on {ends}, and AWS then upgrades it by itself: raise the version by one, "
        "docs/aws-operations.md#upgrade"
    )
