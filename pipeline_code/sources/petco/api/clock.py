"""The time, so that a test can move it."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since 1970."""

now: Clock = time.time
