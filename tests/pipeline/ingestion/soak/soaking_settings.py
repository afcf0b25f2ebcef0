"""What `make soak` asks of its tests."""

from __future__ import annotations

import os

SEED = int(os.environ["HEADWATER_SOAK_SEED"])
RUNS = int(os.environ["HEADWATER_SOAK_RUNS"])
ROUND = 10
"""Runs of one test: many are shown as they pass."""
ROUNDS = range(-(-RUNS // ROUND))


def runs_of(round_: int) -> range:
    """Return the numbers of the runs of a round, from 0 over all rounds."""
    return range(ROUND * round_, min(RUNS, ROUND * (round_ + 1)))
