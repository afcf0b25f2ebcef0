"""Lists as Stripe pages them: newest first, a cursor that is the last object seen, filters by creation time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.datastructures import QueryParams

from petco.api.shop import Snapshot
from petco.stripe import events, kinds, objects
from petco.stripe.errors import StripeError
from petco.stripe.feeds import Feed, Item, Part
from petco.stripe.kinds import Key, Kind
from petco.stripe.objects import Body

DEFAULT_LIMIT, HIGHEST_LIMIT = 10, 100
_FOREVER = 10_000_000_000
_CREATED = re.compile(r"created(?:\[(gt|gte|lt|lte)\])?")


@dataclass(frozen=True)
class Query:
    """What a caller asks of a list. `since` and `until`: seconds since 1970, the latter excluded."""

    limit: int = DEFAULT_LIMIT
    starting_after: str | None = None
    ending_before: str | None = None
    since: int = 0
    until: int = _FOREVER
    expand: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, parameters: QueryParams, allowed: frozenset[str]) -> "Query":
        """Reads the parameters of a URL. Raises StripeError for one that is wrong or that the list does not have."""
        since, until = 0, _FOREVER
        known: dict[str, str] = {}
        filters: dict[str, list[str]] = {}
        expand: list[str] = []
        for name, value in parameters.multi_items():
            plain = re.sub(r"\[\d*\]$", "", name)
            if (created := _CREATED.fullmatch(name)) is not None:
                moment = _integer(name, value)
                bound = created[1]
                if bound in {None, "gte", "gt"}:
                    since = max(since, moment + (bound == "gt"))
                if bound in {None, "lt", "lte"}:
                    until = min(until, moment + (bound != "lt"))
            elif plain == "expand":
                expand.append(value)
            elif plain in allowed:
                filters.setdefault(plain, []).append(value)
            elif name in {"limit", "starting_after", "ending_before"}:
                known[name] = value
            else:
                raise StripeError(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
        if "starting_after" in known and "ending_before" in known:
            raise StripeError(400, "You can't specify both starting_after and ending_before.", param="ending_before")
        limit = _integer("limit", known.get("limit", str(DEFAULT_LIMIT)))
        if not 1 <= limit <= HIGHEST_LIMIT:
            raise StripeError(400, f"Invalid limit: {limit} must be between 1 and {HIGHEST_LIMIT}", param="limit")
        cursors = known.get("starting_after"), known.get("ending_before")
        return cls(limit, *cursors, since, until, tuple(expand), filters)


def _integer(name: str, value: str) -> int:
    if not re.fullmatch(r"-?\d{1,12}", value):
        raise StripeError(400, f"Invalid integer: {value}", "parameter_invalid_integer", name)
    return int(value)


def page(snapshot: Snapshot, kind: Kind, query: Query, at: int) -> Body:
    """Returns a list object with the objects that a query asks for, as they are at `at`.

    Raises StripeError for a cursor, filter or expansion that there is not.
    """
    direct = _direct(snapshot, kind, query, at)
    if direct is None:
        items, has_more = _paged(snapshot, kind, query, at)
    else:
        items, has_more = direct, False
    bodies = [item.body for item in items]
    for path in query.expand:
        start, _, name = path.partition(".")
        if start != "data" or not kinds.expanded(snapshot, bodies, name, at):
            raise StripeError(400, f"This property cannot be expanded ({path}).", param="expand")
    return {"object": "list", "data": bodies, "has_more": has_more, "url": f"/v1/{kind.plural}"}


def retrieve(snapshot: Snapshot, kind: Kind, identifier: str, query: Query, at: int) -> Body:
    """Returns one object. Raises StripeError if there is none of that identifier."""
    found = kind.find(snapshot, [identifier], at).get(identifier)
    if found is None:
        raise StripeError(404, f"No such {kind.singular}: '{identifier}'", "resource_missing", "id")
    for path in query.expand:
        if not kinds.expanded(snapshot, [found.body], path, at):
            raise StripeError(400, f"This property cannot be expanded ({path}).", param="expand")
    return found.body


def _direct(snapshot: Snapshot, kind: Kind, query: Query, at: int) -> list[Item] | None:
    """The answer to a filter that names the objects; None where there is no such filter."""
    if "charge" not in query.filters:
        return None
    number = objects.number(query.filters["charge"][0])
    (prefix,) = kind.feeds
    wanted = objects.name(prefix, -1 if number is None else number)
    return list(kind.find(snapshot, [wanted], at).values())


def _paged(snapshot: Snapshot, kind: Kind, query: Query, at: int) -> tuple[list[Item], bool]:
    feeds = dict(enumerate(kind.feeds.values()))
    times = range(query.since, query.until)
    if kind.plural == "events":
        times = range(max(query.since, at - events.KEPT), query.until)
        feeds = _of_types(kind, query)
    elif "payout" in query.filters:
        day = kinds.day_of(query.filters["payout"][0])
        times = range(0) if day is None else range(day.low[0], day.high[0])
        del feeds[len(feeds) - 1]
    cursor = _cursor(snapshot, kind, query, at)
    ascending = query.ending_before is not None
    found: list[tuple[Key, Item]] = []
    for rank, feed in feeds.items():
        part = _part(rank, query, cursor, times, at)
        # Beyond what is found already there is nothing to look for.
        if len(found) > query.limit:
            last = found[query.limit][0][0]
            high, low = (
                (min(part.high, (last + 1, 0)), part.low) if ascending else (part.high, max(part.low, (last, 0)))
            )
            part = Part(low, high, at, part.limit, ascending)
        items = feed.read(snapshot, part) if part.low < part.high else []
        found += [((item.position[0], rank, item.position[1]), item) for item in items]
        found.sort(key=lambda pair: pair[0], reverse=not ascending)
    chosen = [item for _, item in found[: query.limit]]
    return (chosen[::-1] if ascending else chosen), len(found) > query.limit


def _of_types(kind: Kind, query: Query) -> dict[int, Feed]:
    """The sequences of events of the wanted types; a type may end in `*`."""
    wanted = [*query.filters.get("types", ()), *query.filters.get("type", ())]
    patterns = [re.compile(re.escape(name).replace(r"\*", ".*")) for name in wanted]
    return {
        rank: feed
        for rank, (name, feed) in enumerate(kind.feeds.items())
        if not wanted or any(pattern.fullmatch(name) for pattern in patterns)
    }


def _cursor(snapshot: Snapshot, kind: Kind, query: Query, at: int) -> Key | None:
    for name in ("starting_after", "ending_before"):
        identifier = getattr(query, name)
        if identifier is not None:
            key = kind.key(snapshot, identifier, at)
            if key is None:
                raise StripeError(400, f"No such {kind.singular}: '{identifier}'", "resource_missing", name)
            return key
    return None


def _part(rank: int, query: Query, cursor: Key | None, times: range, at: int) -> Part:
    """The part of a sequence that lies between the times and beyond the cursor, one more than a page."""
    low, high = (times.start, 0), (times.stop, 0)
    ascending = query.ending_before is not None
    if cursor is not None:
        moment, other, number = cursor
        # Of objects of one moment those of a higher rank are newer, and of one rank those of a higher number.
        if ascending:
            low = max(low, (moment, number + 1) if rank == other else (moment + (rank < other), 0))
        else:
            high = min(high, (moment, number) if rank == other else (moment + (rank < other), 0))
    return Part(low, high, at, query.limit + 1, ascending)
