"""The same questions to Trino as well, on the platform's own catalog and object store."""

from __future__ import annotations

import pytest
from services import Services

from differential.harness import World
from differential.test_differential import RUNS, SEED, explore
from differential.ways import WAYS, Way

SHORT = 2
pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.name}, seed {SEED}")
def test_three_engines_answer_as_the_source(served_world: World, private_services: Services, way: Way) -> None:
    """A table that one engine reads right and another wrong: bounds, types, names, delete files."""
    explore(served_world, way, RUNS or SHORT)
