"""Pages that name what is not there, or that nobody finds."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGES = sorted(
    name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    if (ROOT / name).exists()
)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.S), re.M)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head) for head in heads]
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in plain}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The files of the project that a page links to, each with the anchor, which may be empty."""
    for target in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.S)):
        if not re.match(r"[a-z]+:", target):
            name, _, anchor = target.partition("#")
            yield (page if not name else (page.parent / name)), anchor


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """A link to a page that was moved, or to a heading that has another name now."""
    page = ROOT / name
    wrong = []
    for target, anchor in links(page):
        if not target.exists():
            wrong.append(f"{target}: no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(f"{target.name}#{anchor}: no such heading")
    assert not wrong


def test_the_index_has_every_page() -> None:
    """A page that only those find who know of it."""
    linked = {target.resolve() for target, _ in links(ROOT / "docs" / "README.md")}
    pages = {page.resolve() for page in (ROOT / "docs").glob("*.md")} - {(ROOT / "docs" / "README.md").resolve()}
    assert pages <= linked


def test_the_list_of_decisions_has_each_with_its_title() -> None:
    """A decision that is not in the list, or is there under a title that it had before."""
    folder = ROOT / "docs" / "decisions"
    listed = dict(re.findall(r"^\| \d{4} \| \[(.*)\]\((\S+)\) \|", (folder / "README.md").read_text(), re.M))
    titles = {page.read_text().splitlines()[0].partition(" ")[2][5:]: page.name for page in folder.glob("[0-9]*.md")}
    assert listed == titles


def test_two_decisions_never_have_one_number() -> None:
    """A reference to a number that could be either."""
    numbers = [page.name[:4] for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert len(numbers) == len(set(numbers))
