from __future__ import annotations

import re
from pathlib import Path

import pytest

from localstack import cli, platform_commands
from localstack.errors import UsageError
from localstack.home import Home

ROOT = Path(__file__).parents[3]


def test_every_command_of_the_makefile_exists_and_the_other_way_round() -> None:
    """A target that ends in "invalid choice", or a command that nobody can reach through make."""
    makefile = (ROOT / "Makefile").read_text()
    listed = re.search(r"^COMMANDS := (.*)$", makefile, re.M)
    assert listed is not None
    assert sorted(listed[1].split()) == sorted(each.name for each in cli.COMMANDS)
    assert sorted(re.findall(r"^([\w-]+):$", makefile, re.M)) == sorted(listed[1].split())


def test_options_that_the_makefile_passes_are_understood() -> None:
    """`make logs c=trino` would fail in argparse."""
    for name, options in re.findall(r"\$\(HEADWATER\) ([\w-]+)(.*)$", (ROOT / "Makefile").read_text(), re.M):
        for option in re.findall(r",(--\w+)\)", options):
            value = {"test": "unit", "bench": "ingestion", "soak": "crash"}[name] if option == "--only" else "1"
            cli.parser().parse_args([name, f"{option}={value}"])


@pytest.mark.parametrize("argument", ["--rate=0", "--rate=-3", "--rate=nan", "--rate=fast", "--orders=1.5"])
def test_a_rate_that_cannot_be_is_named(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A writer that never writes, or one that never waits."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(["shop", argument])
    assert stopped.value.code == 2
    option, _, value = argument.partition("=")
    shown = capsys.readouterr().err
    assert option in shown
    assert value in shown


def test_unknown_user_is_told_who_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that leaves the reader guessing."""
    assert cli.main(["password", "--user=bob"]) == 2
    assert "u='bob' is not known; allowed: admin, editor, viewer" in capsys.readouterr().err


def test_quotes_of_dbt_arguments_that_do_not_close(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback of shlex."""
    assert cli.main(["dbt", "--arguments=test --select 'x"]) == 2
    assert "can't be split" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "wanted"), [("1", True), ("", True), ("yes", True), ("0", False), ("no", False)])
def test_a_make_variable_may_say_no(text: str, wanted: bool) -> None:
    """`make logs f=0` that follows all the same."""
    assert cli.truth(text) is wanted


def test_the_environments_own_folder_is_not_taken_for_the_machines() -> None:
    """The pulumi of the virtual environment found as the machine's official one: a command that calls itself."""
    assert cli.without_own_bin("/venv/bin:/usr/bin:/venv/bin", "/venv") == "/usr/bin"


def test_destroy_without_a_terminal_asks_nobody_and_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data lost because a script ran `make destroy` by mistake."""
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert cli.main(["destroy"]) == 2
    assert tmp_path.exists()
    assert "yes=1" in capsys.readouterr().err


def test_env_quotes_what_a_shell_would_split(tmp_path: Path) -> None:
    """A home with a space in its name breaking `eval`."""
    from localstack.environment import export_lines

    lines = export_lines(Home(tmp_path / "my home"), {"PATH": "/bin", "HOME": "/root"})
    assert f"export KUBECONFIG='{tmp_path}/my home/kubeconfig'" in lines
    assert lines[-1].startswith("export PATH=")
    assert lines[-1].endswith(':"$PATH"')


def test_words_need_something_to_run() -> None:
    """dbt's own help instead of an example."""
    with pytest.raises(UsageError, match="For example"):
        platform_commands.words(cli.parser().parse_args(["dbt", "--arguments= "]), "test")


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"HEADWATER_DEVELOPER": "Feature/42-New Marts"}, "feature_42_new_marts"),
        ({"SUDO_USER": "ann.b"}, "ann_b"),
        ({"HEADWATER_DEVELOPER": "'; drop schema marts"}, "drop_schema_marts"),
        ({"HEADWATER_DEVELOPER": "---"}, "nobody"),
    ],
)
def test_a_developer_is_a_part_of_a_schemas_name(known: dict[str, str], name: str) -> None:
    """A branch's name in SQL or in a shell that ends the word early, and runs the rest."""
    assert platform_commands.developer(known) == name


def test_dbt_by_hand_says_whose_schemas_it_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of a branch that replaces what the dashboards show."""
    called: list[tuple[str, ...]] = []

    class Cluster:
        def require(self) -> Cluster:
            return self

        def call(self, *words: str) -> int:
            called.append(words)
            return 0

    monkeypatch.setattr(platform_commands, "Kube", lambda _: Cluster())
    monkeypatch.setenv("HEADWATER_DEVELOPER", "Ann")
    assert cli.main(["dbt", "--arguments=build --select +fct_orders"]) == 0
    (words,) = called
    assert words[-4:] == ("dbt", "build", "--select", "+fct_orders")
    script = words[words.index("-c") + 1]
    assert "export HEADWATER_DEVELOPER=ann " in script
    assert "HEADWATER_PRODUCTION" not in script
