from __future__ import annotations

from pathlib import Path

import pytest

from cli.commands.soak import FILES, MARTS, MARTS_TEST, suite
from cli.commands.test import Suite
from localstack.errors import UsageError
from localstack.home import CHECKOUT

SHORT = Suite("pipeline/ingestion", (Path("tests"),), Path("python"), {"PYTHONPATH": "packages"})


def test_the_long_version_runs_in_the_environment_of_the_short_one() -> None:
    """A soak that runs in another environment, or of a file that was moved, proves nothing."""
    long = suite(SHORT, None, 100, 7)
    assert long.environment == {
        "PYTHONPATH": "packages", "HEADWATER_RANDOM_KILLS": "100", "HEADWATER_SOAK_RUNS": "100",
        "HEADWATER_SOAK_SEED": "7", "HEADWATER_SERVICES": "required",
    }  # fmt: skip
    assert list(long.folders) == [CHECKOUT / file for files in FILES.values() for file in files]
    assert all(file.is_file() for file in long.folders)
    texts = "".join(file.read_text() for file in long.folders[0].parent.rglob("*.py"))
    assert [name for name in long.environment if f'"{name}"' not in texts] == [], "nobody reads it"


@pytest.mark.parametrize("part", FILES)
def test_a_part_is_its_files(part: str) -> None:
    assert suite(SHORT, part, 1, 1).folders == tuple(CHECKOUT / file for file in FILES[part])


def test_an_unknown_part_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="crash"):
        suite(SHORT, "crashes", 1, 1)


def test_the_marts_are_compared_only_where_it_is_asked_for() -> None:
    """They need the running platform, which a soak of ingestion does not."""
    asked = suite(SHORT, MARTS, 3, 7)
    assert asked.folders == (CHECKOUT / MARTS_TEST,)
    assert MARTS_TEST not in [file for files in FILES.values() for file in files]
    text = (CHECKOUT / MARTS_TEST).read_text()
    assert all(name in text for name in ("HEADWATER_SOAK_RUNS", "HEADWATER_SOAK_SEED"))
