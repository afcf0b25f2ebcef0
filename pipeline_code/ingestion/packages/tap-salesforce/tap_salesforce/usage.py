"""How much of the organisation's API a run may use."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(r"api-usage=(\d+)/(\d+)")


class LimitError(RuntimeError):
    """The day's API requests are used up to where this tap stops, or all of them."""


@dataclass(frozen=True)
class Usage:
    """Requests of the last 24 hours, of all clients of the organisation together, and how many are allowed."""

    used: int
    allowed: int

    @classmethod
    def from_header(cls, text: str | None) -> Usage | None:
        """Return what a Sforce-Limit-Info header says, None where it says nothing."""
        found = _HEADER.search(text) if text is not None else None
        return None if found is None else cls(int(found[1]), int(found[2]))

    def check(self, share: float) -> None:
        """Raise LimitError when `share` of the allowed requests is used: the rest is for others."""
        if self.used >= share * self.allowed:
            raise LimitError(
                f"Salesforce: {self.used:,} of the {self.allowed:,} API requests of the last 24 hours are used, and "
                f"this tap leaves off at {share:.0%} of them (setting api_limit_share). Nothing was lost: the next run "
                "reads on where the last complete one ended. Run less often, raise the setting, or buy more requests."
            )
