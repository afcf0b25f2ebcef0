from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from cli.program import shim as pulumi_shim
from cli.program import stack
from localstack.errors import LocalError
from localstack.home import Home

COMMITTED = "# why\nconfig:\n  headwater:scale: 0.1\n"


def test_keys_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    """A second `make up` that makes the state unreadable, or a passphrase that other users can read."""
    home = Home(tmp_path / "home")
    stack.ensure_keys(home)
    first = (home.passphrase.read_text(), home.root_secret.read_text())
    stack.ensure_keys(home)
    assert (home.passphrase.read_text(), home.root_secret.read_text()) == first
    assert first[0] != first[1]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.passphrase, home.root_secret)} == {0o600}
    assert sorted(path.name for path in home.state.iterdir()) == ["passphrase", "root-secret"]


def test_the_salt_goes_into_the_copy_only(tmp_path: Path) -> None:
    """`git status` dirty after `make up`, with a salt that locks everyone else out once committed."""
    checkout, home = tmp_path / "checkout", Home(tmp_path / "home")
    checkout.mkdir()
    (checkout / "Pulumi.dev.yaml").write_text(COMMITTED)
    home.create()
    with pytest.raises(LocalError, match="make up"):
        stack.config_file(home, checkout)
    (home.state / "encryption-salt").write_text("v1:abc\n")
    copy = stack.config_file(home, checkout)
    assert copy.read_text() == COMMITTED + "encryptionsalt: v1:abc\n"
    assert (checkout / "Pulumi.dev.yaml").read_text() == COMMITTED
    (checkout / "Pulumi.dev.yaml").write_text(COMMITTED.replace("0.1", "1"))
    assert "scale: 1" in stack.config_file(home, checkout).read_text()


def test_a_salt_of_the_users_own_stays() -> None:
    """Two salts in one file, of which Pulumi refuses the wrong one."""
    own = "encryptionsalt: v1:own\n"
    assert stack.with_salt(own, "v1:abc") == own


def test_progress_counts_what_ends_and_names_what_waits() -> None:
    """A bar that stands still during an image build, or counts a resource twice."""
    progress = stack.Progress()
    for line in (
        "Updating (dev):",
        " +  pulumi:pulumi:Stack headwater-dev creating (0s)",
        " +  headwater:images:Image trino creating (0s) ",
        " +  kubernetes:core/v1:Namespace headwater creating (0s)",
        " +  kubernetes:core/v1:Namespace headwater created (0.02s)",
        " ~  kubernetes:apps/v1:Deployment trino updating (0s) [diff: ~spec]",
    ):
        progress.feed(line)
    assert progress.text() == "1 resource done; waiting for Image trino, Deployment trino"
    progress.feed(" +  headwater:images:Image trino **creating failed** error: boom")
    assert progress.failed == ["Image trino"]


def test_the_diagnostics_are_the_reason() -> None:
    """A failed update that quotes its summary instead of what went wrong."""
    progress = stack.Progress()
    for line in ("Diagnostics:", "  headwater:images:Image (trino):", "    error: no space left", "Resources:", "  1"):
        progress.feed(line)
    assert progress.diagnostics == ["  headwater:images:Image (trino):", "    error: no space left"]


def test_locks_of_dead_processes_of_this_machine_are_removed_and_no_others(tmp_path: Path) -> None:
    """ "The stack is currently locked" for ever after a power cut; or two updates at once."""
    home = Home(tmp_path)
    locks = home.state / ".pulumi" / "locks" / "organization" / "headwater" / "dev"
    locks.mkdir(parents=True)
    for name, pid, host in (("dead", 1, socket.gethostname()), ("alive", 2, socket.gethostname()), ("far", 1, "other")):
        (locks / f"{name}.json").write_text(json.dumps({"pid": pid, "hostname": host}))
    removed = stack.remove_stale_locks(home, alive=lambda pid: pid == 2)
    assert [path.name for path in removed] == ["dead.json"]
    assert sorted(path.name for path in locks.iterdir()) == ["alive.json", "far.json"]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("preview", True),
        ("up --yes -s dev", True),
        ("config", True),
        ("config get headwater:scale", True),
        ("config set headwater:scale 1", False),
        ("stack output", False),
        ("preview --config-file other.yaml", False),
        ("up --help", False),
        ("-C elsewhere preview", False),
        ("version", False),
    ],
)
def test_which_plain_pulumi_commands_get_the_copy(line: str, wanted: bool) -> None:
    """A setting written into the copy and lost, or the salt written into the checkout."""
    assert pulumi_shim.wants_config_file(line.split()) is wanted


@pytest.mark.parametrize(
    ("line", "wanted"), [("up --stack prod", "prod"), ("up --stack=a/b/dev", "a/b/dev"), ("up -s x", "x"), ("up", None)]
)
def test_the_stack_that_a_command_line_names(line: str, wanted: str | None) -> None:
    """The settings of dev applied to prod."""
    assert pulumi_shim.stack_named(line.split()) == wanted
