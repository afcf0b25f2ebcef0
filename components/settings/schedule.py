"""When a stack is awake, and when in that time RDS may make a backup and do maintenance."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.settings.base import Allowed, Model, WrongField

Clock = Annotated[
    str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Allowed('a time of the day such as "07:30", quoted')
]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
SHORTEST_DAY_MINUTES = 120
LATEST_SLEEP_MINUTES = 23 * 60 + 30
# RDS takes up to ten minutes to start, wants half an hour for each of its windows, and these apart.
START_MINUTES, WINDOW_MINUTES, GAP_MINUTES = 15, 30, 10
# How long the steps of a morning and of an evening take: components/aws/sleep.py.
MORNING_MINUTES, EVENING_MINUTES = 80, 15


class Schedule(Model):
    """When the stack is awake. At other times no pods, nodes and database run. Not set: always awake."""

    # Times of a day rather than cron: Kubernetes and EventBridge write cron differently, and what goes to sleep goes
    # one after the other.
    wake: Clock = Field(default="07:00", description="When it wakes up.")
    sleep: Clock = Field(
        default="20:00",
        description="When it goes to sleep, at 23:30 at the latest. A day awake has two hours at least. Where clocks "
        "change by an hour for summer time it has 2 h 25 min, for RDS's windows are in UTC.",
    )
    days: list[Day] = Field(
        default=["mon", "tue", "wed", "thu", "fri"], min_length=1, max_length=7, description="The days it is awake on."
    )
    timezone: Annotated[str, Allowed("a name such as Europe/Berlin")] = Field(
        default="UTC", description="The time zone of `wake` and `sleep`, by its name in the IANA database."
    )

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        # The last two are of a machine, and EventBridge refuses them.
        if value not in zoneinfo.available_timezones() - {"Factory", "localtime"}:
            raise ValueError(f"{value} is no time zone of the IANA database, such as Europe/Berlin")
        return value

    @field_validator("days")
    @classmethod
    def _each_once(cls, value: list[Day]) -> list[Day]:
        if len(set(value)) != len(value):
            raise ValueError("each day once")
        return value

    @model_validator(mode="after")
    def _awake(self) -> Schedule:
        awake = minutes(self.sleep) - minutes(self.wake)
        if awake < SHORTEST_DAY_MINUTES:
            why = f"awake from {self.wake} to {self.sleep}: that is less than two hours of one day; choose a later time"
            raise WrongField("sleep", self.sleep, why)
        if minutes(self.sleep) > LATEST_SLEEP_MINUTES:
            why = "the database stops a quarter of an hour later, and on the same day: 23:30 is the latest"
            raise WrongField("sleep", self.sleep, why)
        least, most = utc_offsets(self.timezone)
        needed = START_MINUTES + 2 * WINDOW_MINUTES + GAP_MINUTES + most - least
        if awake < needed:
            raise WrongField(
                "sleep",
                self.sleep,
                f"awake from {self.wake} to {self.sleep} in {self.timezone}: RDS's windows are in UTC, and with this "
                f"zone's summer time a day needs {needed} minutes to hold them all year; let it be awake longer",
            )
        for name, clock, length in (("wake", self.wake, MORNING_MINUTES), ("sleep", self.sleep, EVENING_MINUTES)):
            skipped = next(_skipped(self.timezone, self.days, minutes(clock), length), None)
            if skipped is not None:
                why = (
                    f"{skipped:%A %d %B %Y, %H:%M} does not exist in {self.timezone}: clocks jump over it, and what is "
                    f"due within {length} minutes of {clock} would be left out; choose another time or zone"
                )
                raise WrongField(name, clock, why)
        return self

    @property
    def share_awake(self) -> float:
        """Return the part of a week that the stack is awake, 0 to 1."""
        return (minutes(self.sleep) - minutes(self.wake)) * len(self.days) / (7 * DAY_MINUTES)

    @property
    def windows(self) -> tuple[str, str]:
        """Return RDS's windows, in UTC: of backups, each day, and of maintenance, on the first day of the week awake.

        They are the last 70 minutes before `sleep` in summer, and within the day in winter too.
        """
        end = minutes(self.sleep) - utc_offsets(self.timezone)[1]
        backup = end - WINDOW_MINUTES
        done = backup - GAP_MINUTES
        begin = done - WINDOW_MINUTES
        first = min(DAYS.index(day) for day in self.days)

        def at(minute: int) -> str:
            return f"{minute % DAY_MINUTES // 60:02}:{minute % 60:02}"

        def on(minute: int) -> str:
            return f"{DAYS[(first + minute // DAY_MINUTES) % len(DAYS)]}:{at(minute)}"

        return f"{at(backup)}-{at(end)}", f"{on(begin)}-{on(done)}"


def minutes(clock: str) -> int:
    """Return the minutes from midnight to a time such as 07:30."""
    return int(clock[:2]) * 60 + int(clock[3:])


def _skipped(timezone: str, days: Sequence[Day], begin: int, length: int) -> Iterator[datetime]:
    """Yield local times of these days, this year and next, that clocks jump over: `length` minutes from `begin` on."""
    zone = zoneinfo.ZoneInfo(timezone)
    midnight = datetime(datetime.now(UTC).year, 1, 1)
    for each in (midnight + timedelta(days=day) for day in range(2 * 365)):
        if DAYS[each.weekday()] not in days or _offset(each, zone) == _offset(each + timedelta(days=1), zone):
            continue
        for minute in range(begin, begin + length + 1, 5):
            local = each + timedelta(minutes=minute)
            if local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
                yield local


def _offset(local: datetime, zone: zoneinfo.ZoneInfo) -> timedelta | None:
    return local.replace(tzinfo=zone).utcoffset()


def utc_offsets(timezone: str) -> tuple[int, int]:
    """Return the least and the most minutes by which a zone's clocks are before UTC's, this year and next."""
    zone, noon = zoneinfo.ZoneInfo(timezone), datetime(datetime.now(UTC).year, 1, 1, 12, tzinfo=UTC)
    days = (noon + timedelta(days=day) for day in range(2 * 365))
    found = {int((day.astimezone(zone).utcoffset() or timedelta()).total_seconds()) // 60 for day in days}
    return min(found), max(found)
