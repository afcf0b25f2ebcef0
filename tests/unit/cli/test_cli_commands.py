from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cli import main as cli
from cli.command import Call, truth, words
from cli.commands import NAMES, dbt, load
from cli.platform.kube import Kube
from localstack.errors import UsageError
from localstack.home import Home

ROOT = Path(__file__).parents[3]


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    """What `make` would do."""
    return subprocess.run(["make", "-C", ROOT, "-s", *words], capture_output=True, text=True, check=False)


def test_every_command_is_a_file_and_every_file_a_command() -> None:
    """A command that nobody can reach, or one in the list that ends in a traceback."""
    files = {path.stem.replace("_", "-") for path in (ROOT / "cli" / "commands").glob("*.py")} - {"--init--"}
    assert files == set(NAMES)
    for name in NAMES:
        command = load(name)
        assert f"make {name}" in command.example or f"make -s {name}" in command.example
        assert command.parser(name).format_help()


def test_make_hands_options_on_whatever_is_in_them() -> None:
    """Quotes, blanks and equal signs of a value, read by make or a shell."""
    value = "a b='c' \"x\" = `id`"
    done = typed("stack", f"name={value}", "from=no=where")
    assert done.returncode == 2
    assert f"name={value!r} is not allowed" in done.stderr


def test_an_option_that_the_command_does_not_have() -> None:
    """`make logs component=trino`, which would show nothing of trino and say nothing of the mistake."""
    done = typed("logs", "component=trino")
    assert done.returncode == 2
    assert "component=: this command has no such option; it has c=, f=, n=" in done.stderr
    assert typed("lint", "only=ruff").returncode == 2


def test_a_command_that_is_not_there() -> None:
    """A mistyped command that make takes for a file, and does nothing."""
    for name in ("stats", "tests", "components"):
        done = typed(name)
        assert done.returncode == 2
        assert f"there is no command '{name}'" in done.stderr


def test_variables_of_the_environment_are_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell's own variable called c or s taken for what the user asked; HEADWATER_HOME= refused."""
    monkeypatch.setenv("c", "trino")
    monkeypatch.setenv("HEADWATER_MAKE_VARIABLES", "n HEADWATER_HOME")
    monkeypatch.setenv("n", "5")
    assert cli.make_variables(os.environ) == {"n": "5"}


@pytest.mark.parametrize("name", NAMES)
def test_every_option_that_is_typed_with_make_is_understood(name: str) -> None:
    """`make logs c=trino` that fails in argparse."""
    command = load(name)
    for option in command.options:
        value = option.choices[0] if option.choices else "1"
        options = command.parser(name).parse_args(command.arguments({option.variable: value}))
        assert getattr(options, option.flag)


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
    assert truth(text) is wanted


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
    from cli.commands.env import export_lines

    home = Home(tmp_path / "my home")
    lines = export_lines(home, {"PATH": "/bin", "HOME": "/root"}, home.environment({"PATH": "/bin"}))
    assert f"export KUBECONFIG='{tmp_path}/my home/kubeconfig'" in lines
    assert lines[-1].startswith("export PATH=")
    assert lines[-1].endswith(':"$PATH"')


def test_words_need_something_to_run() -> None:
    """dbt's own help instead of an example."""
    with pytest.raises(UsageError, match="For example"):
        words(Call("dbt", dbt.COMMAND.parser("dbt").parse_args(["--arguments= "]), Home(Path("/nowhere"))), "test")


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
    assert dbt.developer(known) == name


def test_dbt_by_hand_says_whose_schemas_it_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of a branch that replaces what the dashboards show."""
    called: list[tuple[str, ...]] = []

    class Cluster(Kube):
        def require(self) -> Kube:
            return self

        def call(self, *words: str) -> int:
            called.append(words)
            return 0

    monkeypatch.setattr(dbt, "Kube", Cluster)
    monkeypatch.setenv("HEADWATER_DEVELOPER", "Ann")
    assert cli.main(["dbt", "--arguments=build --select +fct_orders"]) == 0
    (words,) = called
    assert words[-4:] == ("dbt", "build", "--select", "+fct_orders")
    script = words[words.index("-c") + 1]
    assert "export HEADWATER_DEVELOPER=ann " in script
    assert "HEADWATER_PRODUCTION" not in script
