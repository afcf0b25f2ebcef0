"""The command line: seed, live, change, api."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import date

import numpy as np
import psycopg

from petco import changes, database, seed
from petco.database import Connection, Server, SettingError
from petco.live import live, stop_on_signals
from petco.shop import Recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0, or 1 with one line on standard error that says what is wrong."""
    chosen = _parser().parse_args(arguments)
    try:
        server = Server.from_environment()
        if chosen.command == "api":
            _api(server, chosen)
            return 0
        with closing(database.connect(server)) as connection:
            if chosen.command == "seed":
                _seed(connection, chosen)
            elif chosen.command == "live":
                _live(connection, chosen)
            else:
                _change(connection, chosen)
    except (SettingError, seed.SeedConflictError, ValueError, psycopg.Error) as error:
        print(f"petco {chosen.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _seed(connection: Connection, chosen: argparse.Namespace) -> None:
    started = time.monotonic()
    if seed.seed(connection, chosen.scale, chosen.seed, anchor=chosen.anchor, replace=chosen.replace, report=_say):
        _say(f"seeded scale {chosen.scale:g} in {time.monotonic() - started:.1f} s")


def _live(connection: Connection, chosen: argparse.Namespace) -> None:
    recipe, random = _shop(connection, None)
    total = live(connection, random, recipe, rate=chosen.rate, limit=chosen.orders, stop=stop_on_signals(), report=_say)
    _say(json.dumps(asdict(total)))


def _change(connection: Connection, chosen: argparse.Namespace) -> None:
    recipe, random = _shop(connection, chosen.seed)
    done = changes.apply(connection, random, recipe, new=chosen.new, changed=chosen.changed, repriced=chosen.repriced)
    _say(json.dumps(asdict(done)))


def _api(server: Server, chosen: argparse.Namespace) -> None:
    # Imported here: the other commands need no web server.
    from petco.api.serve import serve
    from petco.api.settings import Access

    serve(server, Access.from_environment(), chosen.host, chosen.port)


def _shop(connection: Connection, number: int | None) -> tuple[Recipe, np.random.Generator]:
    """What the shop was made from, and random numbers: of seed `number`, or different ones each time."""
    present = seed.seeded(connection)
    connection.commit()
    if present is None:
        raise ValueError("the database holds no shop yet; run `python -m petco seed` first")
    return present.recipe, np.random.default_rng(number)


def _say(line: str) -> None:
    print(line, flush=True)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, not {value}")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value <= 10_000:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 10000 orders a second, not {text}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="petco", description="The example company's shop database.")
    commands = parser.add_subparsers(dest="command", required=True)
    filling = commands.add_parser("seed", help="fill the database; does nothing when the same shop is there")
    filling.add_argument("--scale", type=float, default=0.1, help="1 is 1,000,000 orders (default 0.1)")
    filling.add_argument("--seed", type=_count, default=7, help="of the random numbers (default 7)")
    filling.add_argument(
        "--anchor", type=date.fromisoformat, help="the day the two years end, YYYY-MM-DD (default: today, UTC)"
    )
    filling.add_argument("--replace", action="store_true", help="drop a shop made with other settings")
    running = commands.add_parser("live", help="go on writing like a live shop")
    running.add_argument("--rate", type=_rate, default=5.0, help="new orders a second (default 5)")
    running.add_argument("--orders", type=_count, help="stop after this many new orders")
    once = commands.add_parser("change", help="write given numbers of changes in one transaction and count the rows")
    once.add_argument("--new", type=_count, default=0, help="new orders")
    once.add_argument("--changed", type=_count, default=0, help="older orders to change")
    once.add_argument("--repriced", type=_count, default=0, help="products that get a new price")
    once.add_argument("--seed", type=_count, help="of the random numbers (default: different each time)")
    serving = commands.add_parser("api", help="serve the stand-ins of the services that the company uses")
    serving.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1)")
    serving.add_argument("--port", type=_count, default=8090, help="(default 8090)")
    return parser
