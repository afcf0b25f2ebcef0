"""Random tables by every way, and the same questions to the source and to each engine on the lake.

The seed decides which tables: it is in each test's name, and a failure says the command that repeats it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from differential.harness import Case, World
from differential.kinds import Kind
from differential.questions import asked
from differential.tables import distinct, tables
from differential.ways import WAYS, Way

SEED = int(os.environ.get("HEADWATER_SOAK_SEED", "98"))
"""Fixed in `make test`, so that a run can be repeated; drawn by `make soak`."""
RUNS = int(os.environ.get("HEADWATER_SOAK_RUNS", "0"))
SHORT = 6
"""Cases of a way in the short run, of up to three tables each."""
pytestmark = pytest.mark.usefixtures("quiet")
PHASES = [Phase.generate, Phase.shrink]
PLACES = ("utf8", "utf8", "odd", "latin1", "ascii")


def cases(way: Way, kinds: Sequence[Kind] = (), places: Sequence[str] = ()) -> st.SearchStrategy[Case]:
    """Draw cases that can travel a way, of all its kinds of columns or some."""
    table = tables(
        kinds or way.kinds, keyed=way.keyed, most_filler=way.filler, shapes=way.shapes, stamps=way.stamps,
        plain=not way.generated,
    )  # fmt: skip
    return st.builds(
        Case,
        st.lists(table, min_size=1, max_size=3).map(tuple).filter(distinct),
        st.sampled_from(places or PLACES),
        st.lists(asked(), min_size=2, max_size=6).map(tuple),
    )


def explore(world: World, way: Way, runs: int) -> None:
    """Check random cases; a failure is the smallest case found, and says how to repeat it."""

    @seed(SEED)
    @settings(
        max_examples=runs, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=PHASES, report_multiple_bugs=False,
    )  # fmt: skip
    @given(cases(way))
    def check(case: Case) -> None:
        world.check(way, case)

    try:
        check()
    except AssertionError as error:
        error.add_note(f"The same again: make soak only=differential seed={SEED} runs={runs}")
        raise


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.name}, seed {SEED}")
def test_lake_answers_as_the_source(world: World, way: Way) -> None:
    """A row or value that is lost, doubled, changed, or hidden from a question, whatever the type and the way."""
    explore(world, way, RUNS or SHORT)
