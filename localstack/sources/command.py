"""`make source`: lists the sources, adds one from its address to a query in Trino, takes one back."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import secrets
import sys
from collections.abc import Sequence

from localstack import jobs, stack
from localstack.console import Console
from localstack.endpoints import endpoint
from localstack.errors import UsageError
from localstack.exclusive import exclusive
from localstack.forward import reach
from localstack.home import Home
from localstack.kube import Kube
from localstack.reporting import LocalError
from localstack.source_findings import query
from localstack.sources import discovery, files, passwords
from localstack.sources.kinds import Kind, Source, kinds, parse

ADDRESS = "HEADWATER_SOURCE_ADDRESS"
_LEAKS = (ADDRESS, "add", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "PGPASSWORD")
"""Variables that may hold the password; what this command starts does not get them."""
MOST_SHOWN = 20
MOST_REASONS = 5
FAILED = "FAIL: "
"""How a line of ingestion's log begins that says why a stream was not loaded."""
ERROR = re.compile(r"\w+Error: .*")
"""What a program said that ended with an error, in such a line."""


def run(home: Home, console: Console, chosen: argparse.Namespace) -> int:
    """Run the command; return its exit status."""
    given = {name: os.environ.pop(name, None) for name in _LEAKS}
    address = given[ADDRESS]
    if address is not None and chosen.remove is not None:
        raise UsageError("add= or remove=, not both")
    if address is None and chosen.remove is None:
        if chosen.name is not None or chosen.schema is not None or chosen.set is not None:
            raise UsageError("name=, schema= and set= go with add=")
        print("\n".join(listed()))
        return 0
    if chosen.remove is not None:
        console.resume = f"make source remove={chosen.remove}"
        with exclusive(home.state / "lock", "source"):
            return remove(home, console, chosen.remove)
    kind, source = parse(str(address), chosen.name, chosen.schema, chosen.set)
    files.check_name(source)
    source = with_password(home, source, given["PGPASSWORD"])
    console.resume = source.command
    with exclusive(home.state / "lock", "source"):
        return add(home, console, kind, source)


def listed() -> list[str]:
    """Return the lines of the list: the user's own sources."""
    names = files.names()
    if not names:
        return [
            "No source of your own yet. One from its address to a query:",
            *(f"  {kind.example}" for kind in kinds()),
        ]
    lines = []
    for name in names:
        places = files.Places(name)
        tables = places.tables()
        lines.append(f"{name}: {files.place_of(places)}; {len(tables)} tables: {', '.join(tables[:MOST_SHOWN])}")
        lines += [f"  {path.relative_to(stack.CHECKOUT)}" for path in (places.meltano, places.contracts, places.dbt)]
        lines.append(f"  take it back: make source remove={name}")
    return lines


def with_password(home: Home, source: Source, variable: str | None) -> Source:
    """Return the source with its password: the address's, PGPASSWORD, the one that is kept, or what is typed."""
    if source.asks is None or source.password is not None:
        return source
    known = variable if variable is not None else passwords.read(home.source_passwords).get(source.name)
    if known is None:
        if not sys.stdin.isatty():
            raise UsageError(f"no password of {source.asks}: set PGPASSWORD, or run it on a terminal, which asks")
        known = getpass.getpass(f"Password of {source.asks} (kept in {home.source_passwords}, 0600): ")
    return source.with_password(known)


def add(home: Home, console: Console, kind: Kind, source: Source) -> int:
    """Add a source: look, write the files, deploy, load, show. What is done already is done again without harm."""
    kube = Kube(home).require()
    places = files.Places(source.name)
    with console.step(f"Look at {source.place}", estimate_s=30) as step:
        source.send(kube, step)
        found = discovery.discover(kube, kind, source)
        source = source.without(found.left)
        files.check_tables(source, found.tables)
        step.update(f"{len(found.tables)} tables")
    for line in (*found.tables, *found.notes):
        console.say(f"  {line}")
    with console.step("Write the files"):
        if source.password is not None:
            passwords.keep(home.source_passwords, source.name, source.password)
        written = files.rendered(places, kind, source, found.tables)
        pending = home.state / f"source-{source.name}-first-load"
        if not places.meltano.exists():
            pending.touch()
        kept = files.write(written)
    for path in written:
        console.say(f"  {path.relative_to(stack.CHECKOUT)}{' (was there, stays as it is)' if path in kept else ''}")
    deploy(home, console)
    load(kube, console, source, full=pending.exists())
    pending.unlink(missing_ok=True)
    with console.step("Count in Trino", estimate_s=10), reach(kube, endpoint("trino")) as port:
        counted = [(table, count(port, table)) for table in places.tables()]
    console.say()
    for line in farewell(source.name, counted):
        console.say(line)
    return 0


def load(kube: Kube, console: Console, source: Source, *, full: bool) -> None:
    """Load the source: in full until that was done once, as an older source of this name may have left rows behind."""
    with console.step("First load" if full else "Load", estimate_s=30) as step:
        template = kube.get(f"cronjob/{discovery.CRONJOB}", discovery.NAMESPACE)[0]
        name = f"{discovery.CRONJOB}-{source.name.replace('_', '-')}-{secrets.token_hex(3)}"
        words = ["--tap", f"tap-{source.name}", *(["--full-refresh"] if full else [])]
        said: list[str] = []

        def keep(line: str) -> str:
            said.append(line.strip())
            return line

        if code := jobs.follow(kube, jobs.from_cronjob(template, name, ["headwater-ingest"], words), step, keep):
            raise LocalError(f"job {discovery.NAMESPACE}/{name} ended with {code}: {reason(said)}")


def reason(said: Sequence[str]) -> str:
    """Return why a load failed, by the lines of its log: each stream that was not loaded, else the last error."""
    failed = [line.removeprefix(FAILED) for line in said if line.startswith(FAILED)]
    if failed:
        more = f"; and {len(failed) - MOST_REASONS} more streams" if len(failed) > MOST_REASONS else ""
        return f"{'; '.join(failed[:MOST_REASONS])}{more}"
    errors = [found[0] for line in said if (found := ERROR.search(line)) is not None]
    return next(reversed(errors or [line for line in said if line]), "it said nothing")


def deploy(home: Home, console: Console) -> None:
    """Bring the files into the two images that carry them, and the password into ingestion's Secret."""
    with console.step("pulumi up (ingestion and orchestration)", estimate_s=90) as step:
        stack.apply(home, step)


def count(port: int, table: str) -> int | None:
    """Return the rows of a table of the lake; None where the load made none."""
    rows = query(port, f'select count(*) from lake.raw."{table}"')  # noqa: S608 - a table's name of ours
    return int(rows[0][0]) if rows else None


def farewell(name: str, counted: Sequence[tuple[str, int | None]]) -> list[str]:
    """Return what there is now, and how to go on."""
    lines = [
        f"  lake.raw.{table}: {'no row yet' if rows is None else f'{rows:,} rows'}"
        for table, rows in counted[:MOST_SHOWN]
    ]
    if len(counted) > MOST_SHOWN:
        lines.append(f"  and {len(counted) - MOST_SHOWN} more")
    first = max(counted, key=lambda each: each[1] or 0)[0] if counted else "…"
    return [
        *lines,
        "",
        f"Query: make trino q='select * from lake.raw.{first} limit 10'",  # noqa: S608 - shown, not run
        f"Next:  models that read {{{{ source('{name}', '…') }}}}; `make run` loads it with the other sources",
        f"Undo:  make source remove={name}",
    ]


def remove(home: Home, console: Console, name: str) -> int:
    """Take a source back: its files, its password, its place on the platform. The lake keeps its tables."""
    places = files.Places(name)
    tables, place = (places.tables(), files.place_of(places)) if places.meltano.exists() else ([], "")
    left = files.remove(places)
    passwords.forget(home.source_passwords, name)
    (home.state / f"source-{name}-first-load").unlink(missing_ok=True)
    console.say(f"Source {name} is taken back; what is at {place} stays.")
    for path in left:
        console.say(f"  yours, and still there: {path.relative_to(stack.CHECKOUT)}")
    if Kube(home).reachable():
        deploy(home, console)
    else:
        console.say("The platform is stopped: it lets go of the source at the next `make up`.")
    if tables:
        drops = "; ".join(f"drop table if exists lake.raw.{table}" for table in tables)
        console.say(f"The lake keeps what was loaded. To drop it:\n  make trino q='{drops}'")
    return 0
