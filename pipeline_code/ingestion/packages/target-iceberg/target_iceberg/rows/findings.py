"""What a run found out about a stream: reported in the load report, in Dagster, and in a table of open findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater_contracts import Action, Contract, Drift

QUARANTINED = "quarantined"
"""Kind of the finding that rows were set aside."""
NOTED = "noted"
"""Kind of the finding that a tap tells of itself: what it has left out, or read in one of two ways."""
NOTES = "x-headwater-notes"
"""Of a stream's schema: what its tap tells, as objects with the texts `message` and `decision`."""
FAILED = "failed"
"""Kind of the finding that a stream was not loaded for another reason. All other kinds are those of Drift."""


@dataclass(frozen=True)
class Finding:
    """One deviation from what was expected of a stream.

    `severity` is `warn`, `error` or `fail`: with `fail`, nothing of the stream was loaded. `message` says what is the
    case and what was done, `decision` what people can do about it. `column` is empty where it is about the stream.
    """

    kind: str
    column: str
    severity: str
    message: str
    decision: str

    def __str__(self) -> str:
        """Return both sentences."""
        return f"{self.message}. {self.decision}"


class DriftError(ValueError):
    """The contract does not allow what the source has become: nothing of the stream is loaded."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        """Take all findings; those that fail are the message."""
        self.findings = findings
        super().__init__("; ".join(str(each) for each in findings if each.severity == Action.FAIL))


def finding(contract: Contract, drift: Drift, column: str, message: str, decision: str) -> list[Finding]:
    """Return the finding with the severity that the contract gives it; none where the contract accepts the drift."""
    action = contract.on_drift[drift]
    return [] if action is Action.ACCEPT else [Finding(drift, column, action, message, decision)]


def noted(schema: Mapping[str, Any]) -> list[Finding]:
    """Return what a tap tells in a stream's schema."""
    return [Finding(NOTED, "", Action.WARN, each["message"], each["decision"]) for each in schema.get(NOTES, ())]


def raise_failing(findings: tuple[Finding, ...]) -> None:
    """Raise DriftError if one of the findings lets the stream fail."""
    if any(each.severity == Action.FAIL for each in findings):
        raise DriftError(findings)


def of_failure(stream: str, error: Exception) -> tuple[Finding, ...]:
    """Return what a stream that was not loaded is found to have."""
    if isinstance(error, DriftError):
        return error.findings
    message = str(error)
    return (Finding(FAILED, "", Action.FAIL, f"{stream} was not loaded: {message}", "Its rows are as they were"),)
