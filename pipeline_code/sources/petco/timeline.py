"""When things happen in the shop. Times are microseconds since 1970 in UTC, as int64."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

Micros = NDArray[np.int64]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAYS = 730
# Monday to Sunday; pet owners shop at the weekend.
WEEK = np.array([0.95, 0.90, 0.92, 0.97, 1.06, 1.18, 1.14])
# Share of orders by hour of the day, UTC.
HOURS = np.array([8, 5, 3, 2, 2, 4, 9, 18, 30, 40, 46, 50, 52, 49, 46, 46, 50, 58, 68, 76, 74, 58, 36, 18], dtype=float)
GROWTH = 1.3
"""Orders a day at the end of the two years are e^1.3, 3.7 times, those at the start, seasons aside."""


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Timeline:
    """The two years that end at 00:00 UTC of the anchor date.

    The category rename happens three quarters of the way through.
    """

    anchor: date

    @property
    def end(self) -> int:
        """The first moment after the two years."""
        return micros(datetime(self.anchor.year, self.anchor.month, self.anchor.day, tzinfo=UTC))

    @property
    def start(self) -> int:
        """The first moment of the two years."""
        return self.end - DAYS * DAY

    @property
    def renamed(self) -> int:
        """When the category was renamed."""
        return self.start + (DAYS * 3 // 4) * DAY


def demand(timeline: Timeline) -> NDArray[np.float64]:
    """Expected orders of each of the 730 days, relative to one another: growth, weekday, season. Sums to 1."""
    days = [timeline.anchor - timedelta(days=DAYS - index) for index in range(DAYS)]
    weekday = np.array([day.weekday() for day in days])
    of_year = np.array([day.timetuple().tm_yday for day in days], dtype=float)
    christmas = 1.25 * np.exp(-(((of_year - 346) / 13) ** 2))
    black_friday = 0.7 * np.exp(-(((of_year - 331) / 2.5) ** 2))
    spring = 0.10 * np.exp(-(((of_year - 120) / 25) ** 2))
    summer_slack = -0.14 * np.exp(-(((of_year - 210) / 28) ** 2))
    after_christmas = -0.35 * np.exp(-(((np.where(of_year > 300, of_year - 365, of_year) - 2) / 8) ** 2))
    growth = np.exp(GROWTH * np.arange(DAYS) / DAYS)
    weight = growth * WEEK[weekday] * (1 + christmas + black_friday + spring + summer_slack + after_christmas)
    return np.asarray(weight / weight.sum())


def moments(random: np.random.Generator, timeline: Timeline, count: int) -> Micros:
    """`count` order times in ascending order, spread over the days by demand with a little noise."""
    noisy = demand(timeline) * random.lognormal(0, 0.06, DAYS)
    day = np.repeat(np.arange(DAYS), random.multinomial(count, noisy / noisy.sum()))
    hour = random.choice(24, count, p=HOURS / HOURS.sum())
    within = random.integers(0, HOUR, count)
    return np.sort(timeline.start + day * DAY + hour * HOUR + within)


def progress(timeline: Timeline, moment: Micros) -> NDArray[np.float64]:
    """How far through the two years each moment is, from 0 to 1."""
    return np.clip((moment - timeline.start) / (DAYS * DAY), 0.0, 1.0)
