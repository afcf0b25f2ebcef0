"""The commands of the pages, as they stand there, on the running platform."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.unit.docs.pages import ROOT, Step, steps

LONGEST_S = 600
RUN = list({(step.shell, step.command, step.prints): step for step in steps() if step.runs}.values())
"""Each command once, however many pages have it; tests/unit/docs/test_commands.py sees to it that they do no harm."""


def missing(said: list[str], printed: list[str]) -> list[str]:
    """The lines of a page that were not printed, in the page's order; `…` stands for anything, blank lines for none."""
    lines = iter(printed)
    patterns = [
        ".*".join(re.escape(part) for part in line.split("…")) for line in said if line.strip() not in {"", "…"}
    ]
    return [each for each in patterns if not any(re.fullmatch(each, line.rstrip()) for line in lines)]


def test_a_line_that_is_not_printed_is_missed() -> None:
    """A comparison that every output passes."""
    printed = ["Addresses", "  Superset  http://127.0.0.1:30088", "", "Pipeline: success"]
    assert missing(["…", "  Superset  http://…", "", "Pipeline: …"], printed) == []
    assert missing(["Pipeline: …", "Addresses"], printed) == ["Addresses"]
    assert missing(["  Dagster …"], printed) == [r"\ \ Dagster\ .*"]


@pytest.mark.parametrize("step", RUN, ids=[f"{step.place} {step.command}" for step in RUN])
def test_a_command_of_a_page_works(step: Step) -> None:
    """A page whose first command fails; or what it prints is something else than the page shows."""
    script = "set -euo pipefail\n" + "\n".join((*step.shell, step.command))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert done.returncode == 0, f"{step.command}: {(done.stdout + done.stderr)[-3000:]}"
    assert missing(list(step.prints), done.stdout.splitlines()) == [], done.stdout[-3000:]
