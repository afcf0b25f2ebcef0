"""The examples of docs/extending.md are code that is there."""

from __future__ import annotations

import re

import pytest

from tests.unit.docs.pages import ROOT, blocks

DIFFS = [each for each in blocks() if each.language == "diff"]
LINES = [
    (file, line)
    for block in DIFFS
    for file, lines in re.findall(r"^\+\+\+ b/(\S+)\n((?:\+(?!\+\+ ).*\n?)+)", block.text, re.MULTILINE)
    for line in re.findall(r"^\+(.+)", lines, re.MULTILINE)
]


@pytest.mark.parametrize(("file", "line"), LINES, ids=[f"{file} {line.strip()[:40]}" for file, line in LINES])
def test_a_line_of_an_example_stands_in_its_file(file: str, line: str) -> None:
    """A newcomer copies an example that the code has left behind."""
    assert line in (ROOT / file).read_text(encoding="utf-8").splitlines()


def test_every_line_of_the_examples_is_looked_for() -> None:
    """A diff in a form that the test does not read, and so does not check."""
    written = [line for block in DIFFS for line in block.text.splitlines() if line.strip()]
    heads = [line for line in written if line.startswith("+++ b/")]
    assert len(LINES) == len(written) - len(heads)
    assert len(heads) >= 14
