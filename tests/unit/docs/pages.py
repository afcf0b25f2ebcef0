"""The pages' fenced blocks, and the commands in them.

A block of commands (`sh`, `bash`, `console`) is run by tests/platform/test_docs.py, line by line. A comment before it
says what is not: `<!-- not run: REASON -->` all of it, `<!-- not run (make up; make down): REASON -->` what begins so.
In a `console` block lines with `$ ` are commands and the others what they print, where `…` stands for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", *sorted(f"docs/{page.name}" for page in ROOT.glob("docs/*.md")))
SHELLS = ("sh", "bash", "console")
FENCE = re.compile(
    r"(?P<before>(?:^[ ]*<!--[^\n]*-->\n)*)^(?P<indent>[ ]*)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.M | re.S,
)
MARK = re.compile(r"<!-- not run(?: \((?P<commands>[^)]+)\))?: (?P<reason>[^\n]+?) -->")


@dataclass(frozen=True)
class Step:
    """A command of a page, without its comment, and the lines that it prints by what the page says.

    shell: commands before it that set up the shell for it, such as `eval "$(make -s env)"`.
    """

    place: str
    command: str
    runs: bool
    prints: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its language with what follows it, its text, and the comments right before it."""

    page: str
    line: int
    info: str
    text: str
    before: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def left_out(self) -> tuple[str, ...]:
        """How commands begin that are not run: all do with the empty text."""
        marks = MARK.finditer(self.before)
        return tuple(each.strip() for mark in marks for each in (mark["commands"] or "").split(";"))

    def steps(self) -> Iterator[Step]:
        """The commands; a line that ends with `\\`, `|` or `&&` goes on in the next one."""
        lines = self.text.splitlines()
        number = 0
        shell: list[str] = []
        while number < len(lines):
            line = lines[number]
            number += 1
            if self.language == "console":
                if not line.startswith("$ "):
                    continue
                line = line.removeprefix("$ ")
            while line.rstrip().endswith(("\\", "|", "&&")) and number < len(lines):
                line = f"{line.rstrip().removesuffix(chr(92)).rstrip()} {lines[number].strip()}"
                number += 1
            command = without_comment(line)
            if not command:
                continue
            prints = []
            while self.language == "console" and number < len(lines) and not lines[number].startswith("$ "):
                prints.append(lines[number])
                number += 1
            runs = not any(" ".join(line.split()).startswith(each) for each in self.left_out)
            yield Step(self.place, command, runs, tuple(prints), tuple(shell))
            shell += [command] if command.startswith("eval ") else []


def without_comment(line: str) -> str:
    """A line of shell without the comment at its end; `#` within quotes, or within a word, is none."""
    quote = ""
    for position, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and (position == 0 or line[position - 1].isspace()):
            return line[:position].strip()
    return line.strip()


def blocks_of(page: str, text: str) -> list[Block]:
    """The fenced blocks of a page's text."""
    return [
        Block(page, text.count("\n", 0, found.start("info")) + 1, found["info"].strip(), dedent(found), found["before"])
        for found in FENCE.finditer(text)
    ]


def dedent(found: re.Match[str]) -> str:
    indent = len(found["indent"])
    return "".join(f"{line[indent:]}\n" for line in found["text"].splitlines())


def blocks() -> list[Block]:
    """The fenced blocks of all pages."""
    return [block for page in PAGES for block in blocks_of(page, (ROOT / page).read_text())]


def steps() -> list[Step]:
    """The commands of all pages."""
    return [step for block in blocks() if block.language in SHELLS for step in block.steps()]


def in_sentences(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Page and text of what the pattern finds outside of the fenced blocks, each once a page."""
    found: dict[tuple[str, str], None] = {}
    for page in PAGES:
        prose = FENCE.sub("", (ROOT / page).read_text())
        found |= {(page, " ".join(each.split())): None for each in pattern.findall(prose)}
    return list(found)
