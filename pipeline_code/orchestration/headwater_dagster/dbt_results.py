"""What went wrong in a dbt run, read from its run_results.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BuildFailure:
    """The nodes that failed: `tests` found wrong data, `errors` could not run. Each is a line of text."""

    tests: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def may_pass_again(self) -> bool:
        """Whether another try could help: data that fails a test now fails it again."""
        return bool(self.errors)

    def __str__(self) -> str:
        """Return all of it, errors first: they are the cause of what was skipped."""
        return "\n".join([*self.errors, *self.tests])


def read_failure(run_results: Mapping[str, Any]) -> BuildFailure | None:
    """Return what failed, None if nothing did."""
    tests, errors = [], []
    for result in run_results["results"]:
        kind, _, name = result["unique_id"].partition(".headwater.")
        message = " ".join((result.get("message") or "").split())
        if result["status"] == "fail":
            tests.append(f"test {name.split('.')[0]} failed: {result.get('failures')} rows; {message}")
        elif result["status"] == "error":
            errors.append(f"{kind} {name.split('.')[0]} failed: {message}")
    return BuildFailure(tuple(tests), tuple(errors)) if tests or errors else None
