from __future__ import annotations

import io
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from cli import image_venv
from cli.commands import destroy
from cli.commands import test as testing
from cli.platform import sql_prompt
from cli.preflight import machine, plan
from localstack.console import Console, duration
from localstack.errors import LocalError, StepFailed, UsageError
from localstack.exclusive import exclusive
from localstack.home import Home


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (9.96, "10.0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3720, "1 h 02 min")],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    """ "60 s", or "2 min 60 s"."""
    assert duration(seconds) == text


def test_the_screen_names_problems_work_sizes_and_times() -> None:
    """A user who starts a download of gigabytes without knowing."""
    findings = [
        machine.Finding("cores", "2"),
        machine.Finding("disk", "3 GiB free", problem="needs 30 GiB"),
        machine.Finding("memory", "5 GiB free", warning="little"),
    ]
    work = [plan.Work("Install packages", ("buildah", "runc"), 200, 60), plan.Work("Deploy", (), 0, 120)]
    screen = plan.render(findings, work, "/var/lib/headwater")
    assert "✘ disk" in screen
    assert "! memory" in screen
    assert "about 200 MB to download, about 3 min 00 s" in screen
    assert plan.problems(findings) == ["disk: 3 GiB free; needs 30 GiB"]
    assert "Everything is there" in plan.render(findings[:1], [], "/h")


def test_long_lists_are_cut_with_their_number() -> None:
    """One screen that becomes three."""
    assert plan.wrap(["a" * 40, "b" * 40, "c" * 40, "d"], width=90).endswith(" and 2 more")


def test_rootless_needs_a_cluster_of_its_own() -> None:
    """A failure ten minutes later, at the first network device."""
    assert machine.check_user(1000, None).problem is not None
    assert machine.check_user(1000, "kind-x").problem is None
    assert machine.check_user(0, None).problem is None


def test_only_foreign_listeners_stop_make_up() -> None:
    """A second `make up` that trips over the first one's ports, or a foreign registry overwritten."""
    assert machine.check_ports({5000: True, 6443: True}, busy=lambda _: True).problem is None
    foreign = machine.check_ports({5000: True, 6443: False}, busy=lambda _: True)
    assert foreign.value == "6443 taken"
    assert foreign.problem is not None


def test_memory_is_read_in_gib() -> None:
    """Kibibytes taken for kilobytes."""
    total, available = machine.memory_gib("MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n")
    assert (total, available) == (8.0, 4.0)
    assert machine.check_memory(8, 4, running=False).warning is not None
    assert machine.check_memory(8, 1, running=True).warning is None


def test_a_failed_command_shows_why_where_and_how_to_go_on(tmp_path: Path) -> None:
    """ "exit status 3" alone."""
    shown = io.StringIO()
    console = Console("up", tmp_path, stream=shown, plain=True)
    with pytest.raises(StepFailed) as failed, console.step("Build trino") as step:
        step.run([sys.executable, "-c", "print('no space left'); raise SystemExit(3)"])
    console.report(failed.value)
    text = shown.getvalue()
    assert "Failed: Build trino" in text
    assert "exit status 3" in text
    assert "no space left" in text
    assert str(console.log) in text
    assert "continue:  make up" in text
    assert "no space left" in console.log.read_text()


def test_an_error_of_our_own_code_becomes_a_failed_step_with_its_traceback_in_the_log(tmp_path: Path) -> None:
    """A traceback on the user's screen, or one that is nowhere."""
    console = Console("up", tmp_path, stream=io.StringIO(), plain=True)
    with pytest.raises(StepFailed, match="KeyError"), console.step("Cluster"):
        raise KeyError("x")
    assert "Traceback" in console.log.read_text()


def test_skipped_steps_say_why_and_do_not_count_as_slow(tmp_path: Path) -> None:
    """A list of the slowest steps made of those that did nothing."""
    shown = io.StringIO()
    console = Console("up", tmp_path, stream=shown, plain=True)
    with console.step("Packages") as step:
        step.skip("all there")
    assert "skipped: all there" in shown.getvalue()
    assert console.slowest() == []


def test_an_interrupt_passes_through_a_step(tmp_path: Path) -> None:
    """Ctrl-C reported as a failure."""
    shown = io.StringIO()
    console = Console("up", tmp_path, stream=shown, plain=True)
    with pytest.raises(KeyboardInterrupt), console.step("Build"):
        raise KeyboardInterrupt
    console.interrupted()
    assert "Build: stopped" in shown.getvalue()
    assert "continue with: make up" in shown.getvalue()


def test_colours_and_progress_bars_do_not_reach_the_log(tmp_path: Path) -> None:
    """A log full of escape sequences."""
    console = Console("up", tmp_path, stream=io.StringIO(), plain=True)
    with console.step("x") as step:
        step.run([sys.executable, "-c", r"print('\x1b[31mred\x1b[0m 1%\r 2%')"])
        assert step.detail == " 2%"
    assert "\x1b" not in console.log.read_text()


def test_two_commands_at_once(tmp_path: Path) -> None:
    """Two `make up` that write the same state."""
    lock = tmp_path / "state" / "lock"
    with exclusive(lock, "up"), pytest.raises(LocalError, match="make up"), exclusive(lock, "down"):
        pass
    with exclusive(lock, "down"):
        pass


def test_statements_split_outside_quotes_and_comments() -> None:
    """`select ';'` cut in two."""
    text = "select ';' -- not; here\n; select 1 /* ; */ + 1"
    assert sql_prompt.statements(text) == ["select ';'", "select 1   + 1"]
    # A backslash is a letter as any other.
    assert sql_prompt.statements(r"select 'C:\'; select 'b'") == [r"select 'C:\'", "select 'b'"]
    assert sql_prompt.complete("select 1;\n")
    assert not sql_prompt.complete("select '\n;")
    assert not sql_prompt.complete("select 1")
    assert not sql_prompt.complete("select 1 /* ;")
    assert not sql_prompt.complete("select 1; select 2 -- ;")
    for text in ("select 1; -- x", "select 1; /* x; */ ", "select 1;;", "-- x\n", ";"):
        assert sql_prompt.complete(text), f"the prompt waits for more after {text!r}"


def test_result_tables_line_up_with_numbers_to_the_right() -> None:
    """Columns nobody can read."""
    lines = sql_prompt.result(["name", "sum"], [["a", Decimal("10.50")], [None, Decimal("7")]])
    assert lines == ["name |   sum", "-----+------", "a    | 10.50", "NULL |     7"]


def test_no_test_never_counts_as_passed() -> None:
    """A suite that is not collected, green for months."""
    passed = testing.Outcome("unit", 0, (("a", 0.1),))
    empty = testing.Outcome("platform", testing.NO_TESTS, ())
    assert testing.verdict([passed, empty], None) == ["platform: no tests were found"]
    assert testing.verdict([passed, empty], "a") == []
    assert testing.verdict([empty], "zzz") == ["no test matches k='zzz'"]
    assert testing.verdict([testing.Outcome("unit", 1, (("a", 0.1),))], None) == ["unit: failed"]


def test_a_suite_of_marked_tests_runs_only_these(tmp_path: Path) -> None:
    """Tests that need the catalog and the object store, run nowhere, or with all others a second time."""
    source = "import pytest\n\n\ndef test_other(): ...\n\n\n@pytest.mark.services\ndef test_marked(): ...\n"
    (tmp_path / "test_some.py").write_text(source)
    console = Console("test", tmp_path / "logs", stream=io.StringIO(), plain=True)
    suite = testing.Suite("platform/ingestion", (tmp_path,), Path(sys.executable), {}, testing.SERVICES)
    outcome = testing.run_suite(Home(tmp_path), console, suite, None, tmp_path)
    assert outcome.code == 0
    assert [name.rpartition(".")[2] for name, _ in outcome.tests] == ["test_marked"]


def test_processes_share_a_suite(tmp_path: Path) -> None:
    """A test that no process runs, or that both do."""
    (tmp_path / "test_some.py").write_text("".join(f"def test_{number}(): ...\n\n\n" for number in range(9)))
    console = Console("test", tmp_path / "logs", stream=io.StringIO(), plain=True)
    suite = testing.Suite("pipeline/ingestion", (tmp_path,), Path(sys.executable), {}, processes=2)
    outcome = testing.run_suite(Home(tmp_path), console, suite, None, tmp_path)
    assert outcome.code == 0
    assert sorted(name.rpartition(".")[2] for name, _ in outcome.tests) == [f"test_{number}" for number in range(9)]


def test_the_summary_says_how_many_tests_were_skipped(tmp_path: Path) -> None:
    """ "passed (3 tests)" of tests of which two were not run, for months."""
    skip = "@pytest.mark.skip(reason='no Go')\n"
    source = f"import pytest\n\n{skip}def test_a(): ...\n\n{skip}def test_b(): ...\n\ndef test_c(): ...\n"
    (tmp_path / "test_some.py").write_text(source)
    console = Console("test", tmp_path / "logs", stream=io.StringIO(), plain=True)
    suite = testing.Suite("unit", (tmp_path,), Path(sys.executable), {})
    outcome = testing.run_suite(Home(tmp_path), console, suite, None, tmp_path)
    assert outcome.line() == "passed    unit (3 tests, 2 of them skipped)"
    assert outcome.reasons() == ["2 skipped: no Go"]
    assert testing.Outcome("unit", 0, (("a", 0.1),)).line() == "passed    unit (1 tests)"


def test_a_suite_of_which_nothing_ran_has_not_passed() -> None:
    """ "passed aws" on a machine that has nothing to check AWS with."""
    outcome = testing.Outcome("aws", 0, (("a", 0.0), ("b", 0.0)), ("no Terraform", "no Terraform"))
    assert outcome.line() == "skipped   aws (2 tests, 2 of them skipped)"
    assert outcome.reasons() == ["2 skipped: no Terraform"]


def test_an_unknown_part_of_the_tests() -> None:
    """`make test only=units` that runs nothing."""
    with pytest.raises(UsageError, match=r"only='units'.*aws, pipeline, platform, unit"):
        testing.parts("units")


def test_pytest_is_added_to_an_image_only_where_it_lacks_it() -> None:
    """An image's own pinned package replaced in the environment that tests it."""
    names = image_venv.TEST_PACKAGES
    ours = "".join(f"{name}==1 \\\n    --hash=sha256:aa\n    # via x\n" for name in names)
    added = image_venv.missing_test_pins("packaging==9 \\\n    --hash=sha256:bb\n", ours)
    assert "packaging" not in added
    assert added.count("==1") == len(names) - 1
    assert "#" not in added


def test_packages_that_others_need_are_seen_in_the_dry_run() -> None:
    """`make destroy` that takes the user's own packages along."""
    assert destroy.removed_by("Purg runc [1]\nRemv docker.io [2]\nInst x\n") == {"runc", "docker.io"}


def test_destroy_takes_the_traces_of_its_own_packages_only(tmp_path: Path) -> None:
    """A machine that is not as it was before; or another tool's networks gone with ours."""
    for name in ("etc/cni/net.d/cni.lock", "var/lib/cni/networks/podman/lock", "var/lib/cni/networks/other/lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "run/containerd").mkdir(parents=True)
    destroy.remove_traces(tmp_path, ("buildah", "ipset"))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not any(path.glob("*"))}
    assert left == {"etc", "run/containerd", "var/lib/cni/networks/other/lock"}
