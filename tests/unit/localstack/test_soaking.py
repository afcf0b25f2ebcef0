from __future__ import annotations

from pathlib import Path

from localstack.soaking import FILE, suite
from localstack.stack import CHECKOUT
from localstack.testing import Suite


def test_the_long_version_differs_in_its_kills_only() -> None:
    """A soak that runs in another environment, or of a file that was moved, proves nothing."""
    short = Suite("pipeline/ingestion", (Path("tests"),), Path("python"), {"PYTHONPATH": "packages"})
    long = suite(short, 100)
    assert long.environment == {"PYTHONPATH": "packages", "HEADWATER_RANDOM_KILLS": "100"}
    assert long.folders == (CHECKOUT / FILE,)
    assert long.folders[0].is_file()
    assert 'os.environ.get("HEADWATER_RANDOM_KILLS"' in long.folders[0].read_text()
