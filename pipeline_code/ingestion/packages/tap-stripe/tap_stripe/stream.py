"""One kind of object as a Singer stream.

A run reads the objects made since the last run, and the objects that events have named since then. Both go up to the
same moment, where the next run begins. A run also reads an overlap before its start, for what the API has shown late;
the bookmark knows what was already sent of it. Objects are sent as they are when they are read, one version of each
per run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headwater_tap.announced import AnnouncedStream
from headwater_tap.overlap import Sent

from tap_stripe.objects import Kind

if TYPE_CHECKING:
    from tap_stripe.api import Body, StripeApi
    from tap_stripe.tap import TapStripe

EVENTS_KEPT_S = 29 * 86_400
"""How far back events tell what has changed: Stripe keeps them for 30 days."""
POSITION = "read_until"
"""Where the next run begins, in seconds since 1970."""
SEEN = "seen"
"""What was sent of the overlap before that: id of an object or event → seconds since 1970."""


class StripeStream(AnnouncedStream):
    """Objects of one kind; its state advances when all that is new was read."""

    def __init__(self, tap: TapStripe, kind: Kind, api: StripeApi) -> None:
        """Describe the stream of `kind`."""
        self._kind = kind
        self._api = api
        self.positions = tap.positions
        super().__init__(tap, schema=kind.json_schema(), name=kind.stream)
        self.primary_keys = ["id"]
        self.replication_key = "created"
        self._until: int | None = None

    def reads_all(self) -> bool:
        """Return whether this run reads everything: the first, and one after a pause longer than events are kept."""
        return self._since() is None

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield what is new; after the last record, move the bookmark.

        Without a record it stays: the target then makes no commit that could hold another one.
        """
        since, until = self._since(), self._horizon()
        known: Mapping[str, int] = self.stream_state.get(SEEN, {}) if since is not None else {}
        sent = Sent(until - self.config["overlap_seconds"], known)
        new = self._all(until, sent) if since is None else self._changes(since, until, known, sent)
        any_new = False
        for record in new:
            any_new = True
            yield record
        self.finish({POSITION: until, SEEN: sent.seen()} if any_new else None)

    def _all(self, until: int, sent: Sent) -> Iterator[dict[str, Any]]:
        # What these events tell is in the objects, which are read after them.
        for event in self._events(until - self.config["overlap_seconds"], until):
            sent.add(event["id"], event["created"])
        for body in self._made(self._start(), until):
            sent.add(body["id"], body["created"])
            yield self._kind.record(body)

    def _changes(self, since: int, until: int, known: Mapping[str, int], sent: Sent) -> Iterator[dict[str, Any]]:
        """Yield what was made or changed since; `known` is what the run before has sent of the overlap."""
        if since >= until:
            return
        # A bookmark of before there was an overlap does not say what was sent of it.
        begin = since - self.config["overlap_seconds"] if SEEN in self.stream_state else since
        come = set()
        for body in self._made(begin, until):
            if body["id"] not in known and body["id"] not in come:
                come.add(body["id"])
                sent.add(body["id"], body["created"])
                yield self._kind.record(body)
        newest: dict[str, Body] = {}
        for event in self._events(begin, until):
            if event["id"] not in known:
                sent.add(event["id"], event["created"])
                about = event["data"]["object"]
                identifier = about["id"] if about["object"] == self._kind.singular else about.get(self._kind.singular)
                if isinstance(identifier, str):
                    newest.setdefault(identifier, event)
        for identifier, event in newest.items():
            if event["type"] == self._kind.deletion:
                yield self._kind.record(event["data"]["object"], event["created"])
            elif identifier not in come:
                # The event's own copy may be in another version of the API, and older than the object.
                now = self._api.retrieve(self._kind.plural, identifier, self._expansion(""))
                if now is not None and not now.get("deleted"):
                    yield self._kind.record(now)

    def _made(self, since: int, until: int) -> Iterator[Body]:
        """Objects made in that time, newest first."""
        window = {"created[gte]": since, "created[lt]": until}
        return self._api.objects(self._kind.plural, {**window, **self._expansion("data.")})

    def _events(self, since: int, until: int) -> Iterator[Body]:
        """Events of that time about objects of this kind, newest first."""
        types = [*self._kind.updates, *([self._kind.deletion] if self._kind.deletion is not None else [])]
        if not types:
            return iter(())
        return self._api.objects("events", {"created[gte]": since, "created[lt]": until, "types[]": types})

    def _expansion(self, prefix: str) -> dict[str, list[str]]:
        fields = [each.partition(".") for each in self.config["expand"]]
        paths = [f"{prefix}{field}" for stream, _, field in fields if stream == self._kind.stream]
        return {"expand[]": paths} if paths else {}

    def _start(self) -> int:
        date = self.config.get("start_date")
        return 0 if date is None else int(self._parse_datetime(date).timestamp())

    def _horizon(self) -> int:
        """Up to when objects are read: what was made in the last seconds may not be listed yet."""
        if self._until is None:
            self._until = self._api.now() - int(self.config["settle_seconds"])
        return self._until

    def _since(self) -> int | None:
        """Where the last run ended; None if everything is to be read."""
        position = self.stream_state.get(POSITION) if self.replication_method == "INCREMENTAL" else None
        if position is None:
            return None
        if self._horizon() - int(position) > EVENTS_KEPT_S and self._kind.updates:
            self.logger.warning(
                "%s: the last run ended %d days before this one, and events are kept for 30: what changed between "
                "is not known, so everything is read anew", self.name, (self._horizon() - int(position)) // 86_400,
            )  # fmt: skip
            return None
        return int(position)
