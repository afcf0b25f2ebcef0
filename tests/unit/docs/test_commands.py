"""Commands and fragments of the pages that a reader would copy, and that do not work."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
from typing import Any

import jsonschema
import pytest
import yaml

from cli.command import Command
from cli.commands import NAMES, load
from cli.reference.schema import setting, stack_schema
from localstack.errors import UsageError
from tests.unit.docs.pages import MARK, ROOT, SHELLS, Block, blocks, blocks_of, in_sentences, steps

LANGUAGES = (*SHELLS, "sql", "python", "yaml", "mermaid", "text", "diff")
HARMLESS = (
    re.compile(r"make (help|status|quarantine|preview|source)"),
    re.compile(r"make cost s=\w+"),
    re.compile(r"make logs c=[\w-]+"),
    re.compile(r"make trino q=(\"select [^\"]*\"|'select [^']*')"),
    re.compile(r"make meltano a=\"state list\""),
    re.compile(r"eval \"\$\(make -s env\)\""),
    re.compile(r"kubectl get [\w -]+"),
    re.compile(r"pulumi preview --stack dev"),
)
"""What tests/platform/test_docs.py may run: it changes nothing, and ends by itself."""
BLOCKS = blocks()
STEPS = steps()
SCHEMA = stack_schema()


def ids(found: list[Any]) -> list[str]:
    return [f"{each.place}-{number}" for number, each in enumerate(found)]


def of(*languages: str) -> pytest.MarkDecorator:
    chosen = [each for each in BLOCKS if each.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=ids(chosen))


def wrong_with_make(words: list[str]) -> str | None:
    """What is wrong with a call of make, as cli/headwater would see it; None where it would be run."""
    names = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
    # Names in capitals are environment, not options.
    given = dict(word.split("=", 1) for word in words[1:] if "=" in word and word.partition("=")[0].islower())
    if len(names) != 1:
        return f"one command at a time, not {names}"
    if names[0] not in NAMES:
        return f"there is no command {names[0]!r}"
    command: Command = load(names[0])
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command.parser(names[0]).parse_args(command.arguments(given))
    except UsageError as error:
        return str(error)
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1]
    return None


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("make logs c=trino f=1", None),
        ("make logs x=1", "no such option"),
        ("make lgos", "no command 'lgos'"),
        ("make shop rate=fast", "'fast' is no number"),
        ("make up HEADWATER_HOME=/data", None),
    ],
)
def test_a_wrong_call_of_make_is_seen(line: str, wrong: str | None) -> None:
    """Tests of the pages that would pass whatever they say."""
    found = wrong_with_make(shlex.split(line))
    assert (found is None) if wrong is None else (found is not None and wrong in found)


def test_every_block_says_its_language() -> None:
    """A block of commands that no test takes for one."""
    assert len(BLOCKS) > 40
    assert [f"{each.place}: {each.info!r}" for each in BLOCKS if each.language not in LANGUAGES] == []


def test_no_fence_is_missed() -> None:
    """A block that the tests do not see, for a fence that is written in another way."""
    for page in {each.page for each in BLOCKS}:
        fences = len(re.findall(r"^\s*(?:```|~~~)", (ROOT / page).read_text(), re.M))
        assert fences == 2 * len([each for each in BLOCKS if each.page == page]), page


@of("sh", "bash", "console")
def test_a_shell_understands_the_block(block: Block) -> None:
    """A quote that is not closed; `<placeholder>` without quotes, which a shell takes for a file."""
    for step in block.steps():
        done = subprocess.run(["bash", "-n"], input=step.command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), step.command
        assert re.search(r"(^|\s)<\w[^>]*>", re.sub(r"'[^']*'|\"[^\"]*\"", "", step.command)) is None, step.command


@pytest.mark.parametrize("step", STEPS, ids=ids(STEPS))
def test_every_command_is_run_or_marked(step: Any) -> None:
    """A command that nobody has tried since it was written; or one that the platform's tests must not run."""
    allowed = any(each.fullmatch(step.command) for each in HARMLESS)
    assert step.runs <= allowed, (
        f"{step.command}: mark it before the block (<!-- not run (…): why -->), or let it be run: HARMLESS"
    )


@of(*SHELLS)
def test_a_mark_is_of_a_command_that_is_there(block: Block) -> None:
    """A mark that stayed behind when its command went; or a comment that was meant as one and is none."""
    assert block.before.count("not run") == len(MARK.findall(block.before)), block.before
    marked = [step for step in block.steps() if not step.runs]
    for beginning in block.left_out:
        lines = [" ".join(line.split()) for line in block.text.splitlines()]
        assert any(line.startswith(beginning) for line in lines), beginning
    assert bool(marked) == bool(block.left_out)


MAKES = [step for step in STEPS if re.match(r"make\s", step.command)]


@pytest.mark.parametrize("step", MAKES, ids=ids(MAKES))
def test_make_knows_the_command_and_its_options(step: Any) -> None:
    """A command or an option that was renamed, and not in the pages."""
    assert wrong_with_make(shlex.split(step.command)) is None


@pytest.mark.parametrize(("page", "text"), in_sentences(re.compile(r"`(make [^`]+)`")))
def test_make_knows_what_sentences_name(page: str, text: str) -> None:
    """The same, in the middle of a sentence."""
    assert wrong_with_make(shlex.split(text)) is None


CONFIGS = [step for step in STEPS if step.command.startswith("pulumi config set")]


@pytest.mark.parametrize("step", CONFIGS, ids=ids(CONFIGS))
def test_a_setting_on_the_command_line_is_one(step: Any) -> None:
    """`pulumi config set` takes every name; the preview after it does not."""
    words = shlex.split(step.command.partition(" < ")[0])[3:]
    words = words[: words.index("-s")] if "-s" in words else words
    words = words[: words.index("--stack")] if "--stack" in words else words
    path, *values = [word for word in words if not word.startswith("--")]
    found = setting(SCHEMA, path)
    assert found is not None, path
    if "--secret" in words:
        assert "secure" in str(found), f"{path} is no secret"
        return
    (value,) = values
    if value.startswith("$") or "<" in value:
        return
    # As `pulumi config set --path` stores it.
    stored: Any = {"true": True, "false": False}.get(value, int(value) if re.fullmatch(r"0|[1-9]\d*", value) else value)
    jsonschema.Draft7Validator(found).validate(stored)


def test_settings_that_sentences_name_are_there() -> None:
    """`aws.retention.backups` in a sentence sends the reader to a setting that has another name now."""
    sections = "|".join(key.removeprefix("headwater:") for key in SCHEMA["properties"]["config"]["properties"])
    named = in_sentences(re.compile(rf"`(?:headwater:)?((?:{sections})\.[a-z_.]+[a-z_])(?::[^`]*)?`"))
    assert len(named) > 100
    assert [each for each in named if setting(SCHEMA, each[1]) is None] == []


@of("yaml")
def test_a_fragment_of_a_stack_file_is_valid(block: Block) -> None:
    """A setting that was renamed, and not in the pages. What a whole file needs besides may be missing."""
    content = yaml.safe_load(block.text)
    if not any(str(key).startswith("headwater:") for key in (content.get("config", content) if content else ())):
        return
    config = content if "config" in content else {"config": content}
    jsonschema.Draft7Validator(without_required(SCHEMA)).validate(config)


def without_required(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_required(each) for each in schema]
    if isinstance(schema, dict):
        return {key: without_required(each) for key, each in schema.items() if key != "required"}
    return schema


@of("sql")
def test_a_statement_parses(block: Block) -> None:
    """A statement with a comma too many."""
    from sqlfluff.core import Linter

    parsed = Linter(dialect=block.info.partition(" ")[2]).parse_string(block.text)
    assert [str(each) for each in parsed.violations] == []
    variant = parsed.root_variant()
    assert variant is not None
    assert variant.tree is not None
    assert "unparsable" not in variant.tree.type_set()


def test_a_program_parses() -> None:
    """A bracket too few in a block of Python, where a page has one."""
    for block in BLOCKS:
        if block.language == "python":
            compile(block.text, block.place, "exec")


def test_a_mark_leaves_out_what_it_names() -> None:
    """The platform's tests would run what a page says they do not; or would not see what a command prints."""
    text = """
<!-- not run (make up; rm): it takes long -->
```sh
make up      # all of it
make status  # well?
rm -r \\
  'a # b'
```
1. In a list:

   ```console
   $ make help
     make status …

   $ make status
   ```

<!-- not run: needs an account -->
```bash
aws s3 ls |
    head -1
```
"""
    first, second, third = blocks_of("page.md", text)
    assert [(each.command, each.runs) for each in first.steps()] == [
        ("make up", False), ("make status", True), ("rm -r 'a # b'", False)
    ]  # fmt: skip
    assert [(each.command, each.prints) for each in second.steps()] == [
        ("make help", ("  make status …", "")), ("make status", ())
    ]  # fmt: skip
    assert [(each.command, each.runs) for each in third.steps()] == [("aws s3 ls | head -1", False)]
    assert (first.line, third.info) == (3, "bash")


def test_a_command_runs_in_the_shell_that_the_block_has_set_up() -> None:
    """`kubectl` after `eval` would not find the platform's cluster."""
    (block,) = blocks_of("page.md", '```sh\neval "$(make -s env)"   # PATH\nkubectl get pods\n```\n')
    assert [each.shell for each in block.steps()] == [(), ('eval "$(make -s env)"',)]
