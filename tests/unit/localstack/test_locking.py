from pathlib import Path

from cli import image_venv
from cli.commands import lock as locking
from localstack.home import CHECKOUT


def test_packages_of_which_only_data_are_read_bring_no_code_of_others() -> None:
    """pandas, scipy and what else a data package's code needs would join the environment of the tests."""
    sources = {source: locking.argv(source) for source in locking.inputs(CHECKOUT)}
    assert [source.name for source, argv in sources.items() if "--no-deps" in argv] == ["datasets.in"]


def test_environment_of_tests_is_made_anew_when_its_data_change(tmp_path: Path) -> None:
    """An old environment, without a data set that was added, would be taken for the new one."""
    requirements = tmp_path / "pipeline_code" / "ingestion" / "requirements"
    requirements.mkdir(parents=True)
    (requirements / "test.lock").touch()
    assert image_venv.lock_files("ingestion", tmp_path) == [requirements / "test.lock"]
    (requirements / "datasets.lock").touch()
    assert image_venv.lock_files("ingestion", tmp_path) == [requirements / "test.lock", requirements / "datasets.lock"]
