"""The customers: who they are and when they came, with the errors of data that people type."""

import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from petco import columns, vocabulary, wholesale
from petco.timeline import DAY, Micros, Timeline, demand

# Shares of the dirt.
EMAIL_MISSING = 0.03
DUPLICATE_ACCOUNT = 0.01
UNTIDY_PLACE = 0.02
# A quarter of the customers came before the two years.
BEFORE = 0.25
_COUNTRY_SHARE = np.array([share for _, share, _ in vocabulary.COUNTRIES])
# What brings customers, at the start and at the end of the two years.
_ACQUISITION = np.array([[0.34, 0.24, 0.12, 0.10, 0.08, 0.12], [0.22, 0.19, 0.28, 0.14, 0.10, 0.07]])


@dataclass(frozen=True)
class Customers:
    """The table, and what orders need of it: `created` ascends with the customer number minus 1."""

    table: pa.Table
    created: Micros
    activity: NDArray[np.float64]


def plain(name: str) -> str:
    """The letters of a name as an e-mail address carries them."""
    ascii_only = unicodedata.normalize("NFKD", name.replace("ø", "o").replace("ü", "ue"))
    return "".join(letter for letter in ascii_only.lower() if letter.isascii() and letter.isalpha())


def untidy(word: str, kind: int) -> str:
    """A word as somebody in a hurry types it; `kind` is 0 to 3."""
    return (word.upper(), word.lower(), f" {word}", f"{word} ")[kind]


def people(
    random: np.random.Generator, numbers: NDArray[np.int64], acquisition: NDArray[np.int64], created: Micros
) -> dict[str, pa.Array]:
    """The columns of new accounts with these numbers, but for `updated_at`."""
    count = len(numbers)
    first = random.integers(0, len(vocabulary.FIRST_NAMES), count)
    last = random.integers(0, len(vocabulary.LAST_NAMES), count)
    domain = random.integers(0, len(vocabulary.EMAIL_DOMAINS), count)
    companies = [wholesale.company_domain(int(number)) for number in numbers]
    given = [plain(name) for name in vocabulary.FIRST_NAMES]
    family = [plain(name) for name in vocabulary.LAST_NAMES]
    emails = [
        f"{given[f]}.{family[s]}{number}@{company or vocabulary.EMAIL_DOMAINS[d]}"
        for number, f, s, d, company in zip(numbers, first, last, domain, companies, strict=True)
    ]
    country = random.choice(len(vocabulary.COUNTRIES), count, p=_COUNTRY_SHARE / _COUNTRY_SHARE.sum())
    # Squared, so that the first city of a country has most of its customers.
    spread = random.random(count) ** 2
    places = [vocabulary.COUNTRIES[index] for index in country]
    countries = [name for name, _, _ in places]
    cities = [cities[int(part * len(cities))] for (_, _, cities), part in zip(places, spread, strict=True)]
    for row in np.flatnonzero(random.random(count) < UNTIDY_PLACE):
        countries[row] = untidy(countries[row], int(random.integers(4)))
        cities[row] = untidy(cities[row], int(random.integers(4)))
    missing = random.random(count) < EMAIL_MISSING
    # An account opened twice: the second has the address of an earlier one, in whatever case it was typed.
    again = np.flatnonzero((random.random(count) < DUPLICATE_ACCOUNT) & (np.arange(count) > 0))
    for row in again:
        original = int(random.integers(row))
        emails[row] = emails[original].capitalize() if random.random() < 0.3 else emails[original]
        first[row], last[row] = first[original], last[original]
    return {
        "customer_id": pa.array(numbers),
        "email": pa.array([None if gone else email for gone, email in zip(missing, emails, strict=True)], pa.string()),
        "first_name": columns.text(vocabulary.FIRST_NAMES, first),
        "last_name": columns.text(vocabulary.LAST_NAMES, last),
        "country": pa.array(countries, pa.string()),
        "city": pa.array(cities, pa.string()),
        "acquisition_channel": columns.text(vocabulary.ACQUISITION_CHANNELS, acquisition),
        "marketing_opt_in": pa.array(random.random(count) < 0.41),
        "created_at": columns.moment(created),
    }


def acquisition_channels(random: np.random.Generator, progress: NDArray[np.float64]) -> NDArray[np.int64]:
    """An index into ACQUISITION_CHANNELS for each customer, by how far through the two years it came."""
    share = _ACQUISITION[0] + progress[:, None] * (_ACQUISITION[1] - _ACQUISITION[0])
    limits = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)
    drawn: NDArray[np.int64] = (random.random((len(progress), 1)) > limits).sum(axis=1)
    last = len(vocabulary.ACQUISITION_CHANNELS) - 1
    return np.minimum(drawn, last)


def generate(random: np.random.Generator, timeline: Timeline, count: int) -> Customers:
    """`count` customers, numbered from 1 in the order in which they came."""
    old = max(1, round(count * BEFORE))
    weight = demand(timeline)
    day = random.choice(len(weight), count - old, p=weight)
    arrived = timeline.start + day * DAY + random.integers(0, DAY, count - old)
    before = timeline.start - random.integers(1, 540 * DAY, old)
    created = np.sort(np.concatenate([before, arrived]))
    progress = np.clip((created - timeline.start) / (timeline.end - timeline.start), 0, 1)
    table = people(random, np.arange(1, count + 1), acquisition_channels(random, progress), created)
    changed = created + (random.exponential(90 * DAY, count)).astype(np.int64)
    updated = np.where((random.random(count) < 0.4) & (changed < timeline.end), changed, created)
    table["updated_at"] = columns.moment(updated)
    return Customers(pa.table(table), created, random.lognormal(0, 1.0, count))
