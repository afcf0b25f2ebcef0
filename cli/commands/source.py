"""`make source`: lists the sources, adds one (from its address to a query in Trino), removes one."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cli.command import STACK, Call, Command, Option
from cli.platform import jobs
from cli.platform.endpoints import Platform
from cli.platform.findings import of_source
from cli.platform.kube import Kube
from cli.program import stack
from cli.sources import discovery, files, passwords
from cli.sources.kinds import Kind, Source, kinds, parse
from localstack.console import Console
from localstack.errors import LocalError, UsageError
from localstack.exclusive import exclusive
from localstack.home import CHECKOUT, Home

_LEAKS = ("add", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "PGPASSWORD")
"""Variables that may hold the password; what this command starts does not get them."""
MOST_SHOWN = 20
MOST_REASONS = 5
COUNT = 'select count(*) from lake.raw."{}"'
FAILED = "FAIL: "
"""How a line of ingestion's log begins that says why a stream was not loaded."""
ERROR = re.compile(r"\w+Error: .*")
"""What a program said that ended with an error, in such a line."""


def run(call: Call) -> int:
    """List, add or remove."""
    chosen, home = call.options, call.home
    password = {name: os.environ.pop(name, None) for name in _LEAKS}["PGPASSWORD"]
    if chosen.add is not None and chosen.remove is not None:
        raise UsageError("add= or remove=, not both")
    if chosen.add is None and chosen.remove is None:
        if chosen.name is not None or chosen.schema is not None or chosen.set is not None:
            raise UsageError("name=, schema= and set= go with add=")
        print("\n".join(listed()))
        return 0
    kube = Kube.of(home, chosen.stack)
    console, platform = call.console, kube.platform
    if chosen.remove is not None:
        console.resume = platform.make(f"source remove={chosen.remove}")
        with exclusive(home.state / "lock", "source"):
            return remove(kube, console, chosen.remove)
    kind, source = parse(chosen.add, chosen.name, chosen.schema, chosen.set, bucket=platform.lake)
    files.check_name(source)
    source = with_password(home, source, password, platform.stack)
    console.resume = platform.make(source.command)
    with exclusive(home.state / "lock", "source"):
        return add(kube, console, kind, source)


def listed() -> list[str]:
    """Return the lines of the list: the user's own sources."""
    names = files.names()
    if not names:
        return [
            "You have no source of your own yet. To add one:",
            *(f"  {kind.example}" for kind in kinds()),
        ]
    lines = []
    for name in names:
        places = files.Places(name)
        tables = places.tables()
        lines.append(f"{name}: {files.place_of(places)}; {len(tables)} tables: {', '.join(tables[:MOST_SHOWN])}")
        lines += [f"  {path.relative_to(CHECKOUT)}" for path in (places.meltano, places.contracts, places.dbt)]
        lines.append(f"  remove it: make source remove={name}")
    return lines


def with_password(home: Home, source: Source, variable: str | None, name: str = stack.STACK) -> Source:
    """Return the source with its password: the address's, PGPASSWORD, the one that is kept, or what is typed."""
    if source.asks is None or source.password is not None:
        return source
    here = name in stack.ON_THIS_MACHINE
    known = passwords.read(home.source_passwords).get(source.name) if variable is None and here else variable
    if known is None:
        if not sys.stdin.isatty():
            raise UsageError(
                f"no password of {source.asks}: set PGPASSWORD, or run the command on a terminal, where it asks"
            )
        place = f"{home.source_passwords}, 0600" if here else f"Pulumi.{name}.yaml, encrypted"
        known = getpass.getpass(f"Password of {source.asks} (kept in {place}): ")
    return replace(source, password=known)


def add(kube: Kube, console: Console, kind: Kind, source: Source) -> int:
    """Add a source: look, write the files, deploy, load, show. What is done already is done again without harm."""
    home, platform = kube.require().home, kube.platform
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
            keep_password(home, platform.stack, source.name, source.password)
        written = files.rendered(places, kind, source, found.tables)
        pending = home.state / f"source-{source.name}-first-load"
        if not places.meltano.exists():
            pending.touch()
        kept = files.write(written)
    for path in written:
        console.say(f"  {path.relative_to(CHECKOUT)}{' (existed already, not changed)' if path in kept else ''}")
    deploy(kube, console)
    load(kube, console, source, full=pending.exists())
    pending.unlink(missing_ok=True)
    from cli.platform import lake

    with console.step("Count in Trino", estimate_s=10), lake.connected(kube) as connection:
        counted = [(table, count(lake.rows(connection, COUNT.format(table)))) for table in places.tables()]
    console.say()
    for line in farewell(source.name, counted, platform):
        console.say(line)
    return 0


def load(kube: Kube, console: Console, source: Source, *, full: bool) -> None:
    """Load the source: in full until that was done once, as an older source of this name may have left rows behind."""
    with console.step("First load" if full else "Load", estimate_s=30) as step:
        namespace = kube.platform.namespace
        template = kube.get(f"cronjob/{discovery.CRONJOB}", namespace)[0]
        name = f"{discovery.CRONJOB}-{source.name.replace('_', '-')}-{secrets.token_hex(3)}"
        words = ["--tap", f"tap-{source.name}", *(["--full-refresh"] if full else [])]
        said: list[str] = []

        def keep(line: str) -> str:
            said.append(line.strip())
            return line

        if code := jobs.follow(kube, jobs.from_cronjob(template, name, ["headwater-ingest"], words), step, keep):
            raise LocalError(f"job {namespace}/{name} ended with {code}: {reason(said)}")


def reason(said: Sequence[str]) -> str:
    """Return why a load failed, by the lines of its log: each stream that was not loaded, else the last error."""
    failed = [line.removeprefix(FAILED) for line in said if line.startswith(FAILED)]
    if failed:
        more = f"; and {len(failed) - MOST_REASONS} more streams" if len(failed) > MOST_REASONS else ""
        return f"{'; '.join(failed[:MOST_REASONS])}{more}"
    errors = [found[0] for line in said if (found := ERROR.search(line)) is not None]
    return next(reversed(errors or [line for line in said if line]), "it said nothing")


def keep_password(home: Home, name: str, source: str, password: str | None) -> None:
    """Keep the password of a source where the stack's deployment finds it, or forget it (None)."""
    if name in stack.ON_THIS_MACHINE:
        if password is None:
            passwords.forget(home.source_passwords, source)
        else:
            passwords.keep(home.source_passwords, source, password)
        return
    words = ["rm"] if password is None else ["set", "--secret"]
    stack.query(home, name, "config", *words, "--path", f"sourcePasswords.{source}", input=password)


def deploy(kube: Kube, console: Console) -> None:
    """Bring the files into the two images that carry them, and the password into ingestion's Secret."""
    name = kube.platform.stack
    if name == stack.STACK:
        with console.step("pulumi up (ingestion and orchestration)", estimate_s=90) as step:
            stack.apply(kube.home, step)
    elif stack.call(kube.home, "up", name=name) != 0:
        # On the terminal: it asks before it changes a stack that others use.
        raise LocalError(f"`pulumi up -s {name}` did not deploy it")


def count(rows: Sequence[Sequence[Any]]) -> int | None:
    """Return the number that COUNT gave; None where the load made no table."""
    return int(rows[0][0]) if rows else None


def farewell(name: str, counted: Sequence[tuple[str, int | None]], platform: Platform) -> list[str]:
    """Return what there is now, and how to go on."""
    lines = [
        f"  lake.raw.{table}: {'no row yet' if rows is None else f'{rows:,} rows'}"
        for table, rows in counted[:MOST_SHOWN]
    ]
    if len(counted) > MOST_SHOWN:
        lines.append(f"  and {len(counted) - MOST_SHOWN} more")
    first = max(counted, key=lambda each: each[1] or 0)[0] if counted else "…"
    asks = f"trino q='select * from lake.raw.{first} limit 10'"  # noqa: S608 - shown, not run
    return [
        *lines,
        "",
        f"Query: {platform.make(asks)}",
        f"Next:  models that read {{{{ source('{name}', '…') }}}}; `{platform.make('run')}` loads it with the others",
        f"Undo:  {platform.make(f'source remove={name}')}",
    ]


def remove(kube: Kube, console: Console, name: str) -> int:
    """Take a source back: its files, its password, its place on the platform. The lake keeps its tables."""
    home, make = kube.home, kube.platform.make
    places = files.Places(name)
    tables, place = (places.tables(), files.place_of(places)) if places.meltano.exists() else ([], "")
    left = files.remove(places)
    keep_password(home, kube.platform.stack, name, None)
    (home.state / f"source-{name}-first-load").unlink(missing_ok=True)
    console.say(f"Source {name} is removed; the data at {place} stays.")
    for path in left:
        console.say(f"  your own file, not deleted: {path.relative_to(CHECKOUT)}")
    gone = of_source(name, files.names(), [each for each in files.streams() if each not in tables])
    forget = f"delete from lake.raw.findings where {gone}"  # noqa: S608 - names of ours
    by_hand = make(f'trino q="{forget}"')
    if (problem := kube.problem()) is None:
        deploy(kube, console)
        from cli.platform import lake

        try:
            with console.step("Close its findings"), lake.connected(kube) as connection:
                lake.rows(connection, forget)
        except LocalError as error:
            console.say(f"Its findings are still open ({error}). To close them:\n  {by_hand}")
    else:
        console.say(f"It is still on the platform until the next deployment: {problem}")
        console.say(f"Its findings stay open. To close them then:\n  {by_hand}")
    if tables:
        drops = "; ".join(f"drop table if exists lake.raw.{table}" for table in tables)
        aside = f"delete from lake.raw.quarantine where {gone}"  # noqa: S608 - names of ours
        console.say("The lake keeps what was loaded. To drop it:\n  " + make(f"trino q='{drops}'"))
        console.say("and the rows that were set aside, if any:\n  " + make(f'trino q="{aside}"'))
    return 0


COMMAND = Command(
    "your own sources: list, add, remove", "make source add=postgres://… or ./folder", run,
    [
        Option("add", "a database's address, which `make` keeps out of arguments; a folder; or s3://…"),
        Option("remove", "remove the source with this name"),
        Option("name", "name of the source in the lake; default: that of its database or folder"),
        Option("schema", "for a database: the schema whose tables are read"),
        Option("set", "for files: the format of a stream, as in 'orders.skip=3 orders.delimiter=;'"),
        STACK,
    ],
)  # fmt: skip
