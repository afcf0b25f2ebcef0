"""`make preview`, `cost`, `stack` and `ci-role`, with a pulumi that answers from a recording."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cli import main as cli
from cli.commands import preview as previewing
from cli.program import stack
from localstack.console import Console
from localstack.errors import LocalError
from localstack.home import Home

FIXTURES = Path(__file__).parents[1] / "review" / "fixtures"


class Machine:
    """A checkout with the stacks dev and staging, and a pulumi that writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.home, self.checkout, self.calls = Home(folder / "home"), folder / "checkout", folder / "calls"
        self.home.create()
        self.checkout.mkdir()
        for name in ("dev", "staging"):
            (self.checkout / f"Pulumi.{name}.yaml").write_text("config: {}\n")
        (self.home.state / "encryption-salt").write_text("v1:abc\n")
        self.shown = io.StringIO()

    def answers(self, script: str) -> None:
        pulumi = self.home.bin / "pulumi"
        pulumi.write_text(f'#!/bin/sh\necho "$@ backend=$PULUMI_BACKEND_URL" >> {self.calls}\n{script}\n')
        pulumi.chmod(0o755)

    def preview(self, name: str = "dev", *, diff: bool = False) -> int:
        console = Console("preview", self.home.logs, stream=self.shown, plain=True)
        return previewing.show(self.home, console, name, diff=diff, checkout=self.checkout)


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://team")
    return Machine(tmp_path)


def test_the_terminal_gets_the_summary_of_the_pull_request(computer: Machine) -> None:
    """A reviewer who sees a deletion that the author's own `make preview` did not tell."""
    computer.answers(f"cat {FIXTURES}/changed.json")
    assert computer.preview() == 1
    text = computer.shown.getvalue()
    assert "± Instance data: size, zone (forces it)" in text
    assert "Warning: replaces Instance data, which holds databases" in text
    assert "Broken rule: encrypted-at-rest: Instance data" in text
    assert "--config-file" in computer.calls.read_text()


def test_another_stack_is_previewed_in_the_users_own_backend(computer: Machine) -> None:
    """`make preview s=staging` that looks for staging among the files of this machine."""
    computer.answers(f"cat {FIXTURES}/failed.json")
    assert computer.preview("staging") == 1
    assert computer.calls.read_text().strip() == "preview --json --show-sames --stack staging backend=s3://team"


def test_pulumi_that_gives_no_preview_is_quoted(computer: Machine) -> None:
    """ "no JSON", where Pulumi said that the passphrase is wrong."""
    computer.answers("echo 'error: incorrect passphrase' >&2; exit 255")
    with pytest.raises(LocalError, match=r"(?s)ended with 255.*incorrect passphrase"):
        computer.preview()


def test_a_stack_that_is_not_there(computer: Machine) -> None:
    """Pulumi asking, in a script, whether to create the stack with the mistyped name."""
    with pytest.raises(LocalError, match=r"s='stagin'.*stacks: dev, staging"):
        computer.preview("stagin")
    assert not computer.calls.exists()


def test_values_are_shown_on_request_only(computer: Machine) -> None:
    """Pulumi's own diff, gone for good."""
    computer.answers("exit 0")
    assert computer.preview(diff=True) == 0
    assert computer.calls.read_text().startswith("preview --diff --stack dev")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cost"], "make cost s=prod"),
        (["cost", "--stack=prd"], "s='prd': there is no Pulumi.prd.yaml"),
        (["stack", "--name=qa"], "make stack name=qa from=staging"),
        (["stack", "--name=q_a", "--from=staging"], "name='q_a' is not allowed"),
        (["ci-role"], "make ci-role s=staging"),
    ],
)
def test_a_command_without_its_stack_shows_an_example(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """argparse's own words, which name options that make doesn't have."""
    assert cli.main(words) in {1, 2}
    assert said in capsys.readouterr().err


def test_the_ci_roles_alone_are_targeted() -> None:
    """`make ci-role` that deploys the whole platform, or nothing, because the component's type was renamed."""
    from components.aws import ci_roles

    roles, provider = stack.ci_role_targets("staging")
    assert roles == f"urn:pulumi:staging::headwater::{ci_roles.TYPE}**"
    assert provider.startswith("urn:pulumi:staging::headwater::pulumi:providers:aws")
