"""Keeps writing to the shop as its customers would, until told to stop."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import numpy as np

from petco import changes
from petco.changes import Changes
from petco.database import Connection
from petco.shop import Recipe

TICK_S = 0.5
REPORT_S = 5.0
CHANGED_PER_NEW = 0.5
ORDERS_PER_REPRICING = 200


@dataclass
class Debt:
    """Whole things due of an amount that grows by fractions."""

    amount: float = 0.0

    def take(self, growth: float, most: int | None = None) -> int:
        """Adds `growth`, takes the whole part, at most `most`, and keeps the rest."""
        self.amount += growth
        whole = int(self.amount) if most is None else min(int(self.amount), most)
        self.amount -= whole
        return whole


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, so that the transaction under way ends first."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def live(
    connection: Connection,
    random: np.random.Generator,
    recipe: Recipe,
    *,
    rate: float,
    limit: int | None,
    stop: threading.Event,
    report: Callable[[str], None],
) -> Changes:
    """Writes about `rate` new orders a second and changes half as many, until `stop` or `limit` new orders.

    Reports every 5 seconds; returns what it wrote. A slow server makes it fall behind, never pile up work.
    """
    total = Changes()
    new, changed, repriced = Debt(), Debt(), Debt()
    last = reported = time.monotonic()
    reported_orders = 0
    while not stop.is_set() and (limit is None or total.orders_inserted < limit):
        stop.wait(TICK_S)
        now = time.monotonic()
        # Never more than two ticks at a time, so that a pause is not made up for in one transaction.
        due = rate * min(now - last, 2 * TICK_S)
        last = now
        count = new.take(due, None if limit is None else limit - total.orders_inserted)
        # Changes follow new orders, so that a run with a limit changes half of it.
        total += changes.apply(
            connection,
            random,
            recipe,
            new=count,
            changed=changed.take(count * CHANGED_PER_NEW),
            repriced=repriced.take(count / ORDERS_PER_REPRICING),
        )
        if now - reported >= REPORT_S:
            speed = (total.orders_inserted - reported_orders) / (now - reported)
            report(f"{total.orders_inserted:,} new orders ({speed:.1f}/s), {total.orders_updated:,} changed")
            reported, reported_orders = now, total.orders_inserted
    return total
