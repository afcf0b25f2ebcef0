"""Measure how long a reader waits for the executive dashboard on the running platform: `make bench only=dashboard`.

A look is timed in a real browser, from the moment it asks for the page until every chart of the page is drawn. Each
round makes sales in the shop and starts the pipeline. It looks once during the run, and three times after its end:
nothing that Superset remembered before the run counts then (`REMEMBERED_S`). Nothing here is asserted.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
import trino

from cli.platform import lake
from cli.platform.kube import Kube
from components.lake import ADMIN
from localstack.home import Home
from tests.benchmarks.measure import PAGE, ROOT, machine, write
from tests.platform.browser import Browser, BrowserError
from tests.platform.dashboard_page import DASHBOARD, SIZE, Superset, charts_of_tab, complete, logged_in
from tests.platform.endpoints import TERMINAL, Dagster, Endpoints, endpoints_from

MARKERS = ("<!-- dashboard: begin -->", "<!-- dashboard: end -->")
USER = "viewer"
REMEMBERED_S = 61
"""Longer than Superset remembers an answer."""
ORDERS = 200
"""Sales before each run, so that there is something to publish."""
COLD, SECOND, AGAIN, DURING = (
    "first reader after a publish, fresh browser",
    "next reader, fresh browser",
    "the same browser again",
    "during a run, fresh browser",
)
AIMS = {COLD: 2.0, DURING: 4.0}
"""Seconds, p95."""
BYTES = {"B": 1.0, "kB": 2.0**10, "MB": 2.0**20, "GB": 2.0**30}
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Look:
    """One look: seconds until all charts were drawn, and what the browser got and Trino did for it."""

    kind: str
    drawn_s: float
    answers: int
    kib: float
    data_answers: int
    data_kib: float
    queries: int
    read_kib: float
    trino_cpu_s: float


@dataclass(frozen=True)
class Page:
    """What is measured: the page, the session of somebody who has logged in, and how many charts it opens with."""

    superset: Superset
    cookies: Sequence[dict[str, Any]]
    charts: int
    engine: Engine


class Engine:
    """Trino, asked by its administrator what it did for Superset."""

    def __init__(self, kube: Kube, endpoints: Endpoints) -> None:
        """Log in."""
        given = lake.login(kube, ADMIN)
        place: dict[str, Any] = {"host": endpoints.trino_host, "port": endpoints.trino_port, "http_scheme": "https"}
        self._cursor: Any = trino.dbapi.connect(**place, **given, catalog="lake").cursor()  # type: ignore[no-untyped-call]
        self._url = f"https://{endpoints.trino_host}:{endpoints.trino_port}"
        self._session: requests.Session = given["http_session"]
        self._login = (given["user"], lake.password(kube, given["user"]))

    def rows(self, sql: str) -> list[Any]:
        """Return the rows of a query."""
        return list(self._cursor.execute(sql).fetchall())

    def queries_since(self, moment: datetime) -> list[dict[str, Any]]:
        """Return the statistics of the queries that Superset made for its charts after `moment`."""
        found = self.rows(
            "SELECT query_id FROM system.runtime.queries WHERE source = 'superset'"
            f" AND created >= TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f} UTC'"
        )
        return [self._statistics(query) for (query,) in found]

    def _statistics(self, query: str) -> dict[str, Any]:
        answer = self._session.get(f"{self._url}/v1/query/{query}", auth=self._login, timeout=30)
        answer.raise_for_status()
        return dict(answer.json()["queryStats"])


def amount(text: str, units: dict[str, float]) -> float:
    """Return what Trino writes as a number and a unit (`1.50kB`, `12.3ms`), in the unit that counts 1."""
    number, unit = re.findall(r"[\d.]+|\D+", text)
    return float(number) * units[unit]


def look(kind: str, page: Page, browser: Browser) -> Look | None:
    """Open the dashboard in a browser and wait until all of its charts are drawn.

    Returns None where the browser gave up requests because a pod's network came or went on this machine, which is no
    reader's machine.
    """
    browser.received.clear()
    browser.console.clear()
    began = datetime.now(UTC)
    browser.call("Page.navigate", url=page.superset.url + DASHBOARD)
    waited_for = f"all {page.charts} charts drawn"
    try:
        drawn_ms = browser.wait_for("location.pathname.includes('dashboard') && window.allDrawn", waited_for, 90)
    except BrowserError:
        if any("ERR_NETWORK_CHANGED" in said for said in browser.console):
            sys.stderr.write("a look is left out: the browser saw this machine's network change\n")
            return None
        raise
    failed = [request for request in browser.failed_requests if "/chart/data" in request]
    if failed:
        raise RuntimeError(f"the page was not drawn as it should be: {failed}")
    browser.settle()
    data = [size for path, size in browser.received if path == "/api/v1/chart/data"]
    queries = page.engine.queries_since(began)
    return Look(
        kind=kind,
        drawn_s=drawn_ms / 1000,
        answers=len(browser.received),
        kib=sum(size for _, size in browser.received) / 1024,
        data_answers=len(data),
        data_kib=sum(data) / 1024,
        queries=len(queries),
        read_kib=sum(amount(each["physicalInputDataSize"], BYTES) for each in queries) / 1024,
        trino_cpu_s=sum(amount(each["totalCpuTime"], SECONDS) for each in queries),
    )


def prepare(browser: Browser, page: Page) -> Browser:
    """Give a fresh browser the reader's session, and a clock that stops when all charts are drawn."""
    browser.resize(*SIZE)
    for cookie in page.cookies:
        browser.call("Network.setCookie", **{name: cookie[name] for name in ("name", "value", "domain", "path")})
    browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="(function look() { try {"
        f" if ({complete(page.charts)}) {{ window.allDrawn = performance.now(); return }} }} catch {{}}"
        " setTimeout(look, 50) })()",
    )
    return browser


def looks_of_a_round(page: Page, dagster: Dagster, home: Home, pictures: Path) -> Iterable[Look | None]:
    """Make sales and run the pipeline: one look during the run, three after it."""
    before = time.monotonic()
    subprocess.run(
        [str(ROOT / "cli" / "headwater"), "shop", "--rate=100", f"--orders={ORDERS}"],
        cwd=ROOT, env=home.environment(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    run = dagster.launch("petco_pipeline")
    _wait_until_busy(dagster, run)
    _wait_until_forgotten(before)
    with Browser(pictures) as browser:
        seen = look(DURING, page, prepare(browser, page))
    before = time.monotonic()
    if _state(dagster, run)["status"] in TERMINAL:
        sys.stderr.write("the run ended during the look, which is left out\n")
    else:
        yield seen
    dagster.wait(run, timeout_s=1800)
    _wait_until_forgotten(before)
    with Browser(pictures) as browser:
        yield look(COLD, page, prepare(browser, page))
        yield look(AGAIN, page, browser)
    with Browser(pictures) as browser:
        yield look(SECOND, page, prepare(browser, page))


def _wait_until_forgotten(last: float) -> None:
    """Wait until nothing counts any more that Superset remembered up to `last`, a moment of the monotonic clock."""
    time.sleep(max(0.0, last + REMEMBERED_S - time.monotonic()))


def _state(dagster: Dagster, run: str) -> dict[str, Any]:
    return dict(
        dagster.query(
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { status stepStats { stepKey startTime } } } }",
            id=run,
        )["runOrError"]
    )


def _wait_until_busy(dagster: Dagster, run: str) -> None:
    """Wait until the run builds models, which is what takes Trino away from readers."""
    while True:
        state = _state(dagster, run)
        if state["status"] in TERMINAL or any(
            step["stepKey"].startswith("build_shop") and step["startTime"] for step in state["stepStats"]
        ):
            return
        time.sleep(0.5)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def table(looks: Sequence[Look]) -> str:
    """The looks as a Markdown table, a line a kind."""
    lines = [
        "| look | looks | p50 | p95 | aim, p95 | chart answers | of KiB | all answers | of KiB | Trino queries "
        "| KiB read | Trino CPU |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in (COLD, SECOND, AGAIN, DURING):
        chosen = [each for each in looks if each.kind == kind]
        if not chosen:
            continue
        seconds = [each.drawn_s for each in chosen]
        p95 = percentile(seconds, 0.95)
        aim = AIMS.get(kind)
        distance = "" if aim is None else f"{aim:g} s: " + ("reached" if p95 <= aim else f"{p95 / aim:.1f} times it")
        middle = sorted(chosen, key=lambda each: each.drawn_s)[len(chosen) // 2]
        lines.append(
            f"| {kind} | {len(chosen)} | {percentile(seconds, 0.5):.1f} s | {p95:.1f} s | {distance} "
            f"| {middle.data_answers} | {middle.data_kib:,.0f} | {middle.answers} | {middle.kib:,.0f} "
            f"| {middle.queries} | {middle.read_kib:,.0f} | {middle.trino_cpu_s:.1f} s |"
        )
    return "\n".join(lines)


def viewer_password(home: Home) -> str:
    """Return the viewer's password, from HEADWATER_VIEWER_PASSWORD or the cluster's Secret."""
    given = os.environ.get("HEADWATER_VIEWER_PASSWORD")
    if given is not None:
        return given
    argv = ["kubectl", "get", "secret", "superset-credentials", "-n", "headwater", "-o", "json"]
    found = subprocess.run(argv, env=home.environment(), check=True, capture_output=True, text=True)
    return base64.b64decode(json.loads(found.stdout)["data"][f"{USER}-password"]).decode()


def opened(endpoints: Endpoints, home: Home, pictures: Path) -> Page:
    """Log in once, so that no look needs to, and read how many charts the page opens with."""
    superset = Superset(endpoints.superset, {USER: viewer_password(home)})
    with Browser(pictures) as browser:
        logged_in(browser, superset, USER)
        layout = browser.evaluate(
            "(async () => (await (await fetch('/api/v1/dashboard/petco-executive')).json()).result.position_json)()"
        )
        cookies = browser.call("Network.getCookies", urls=[superset.url])["cookies"]
    return Page(superset, cookies, len(charts_of_tab(json.loads(layout))), Engine(Kube.of(home, "dev"), endpoints))


def main() -> None:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    home, endpoints = Home.default(), endpoints_from(os.environ)
    dagster = Dagster(endpoints.dagster)
    looks: list[Look] = []
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as folder:
        page = opened(endpoints, home, Path(folder))
        for number in range(rounds):
            for each in looks_of_a_round(page, dagster, home, Path(folder)):
                looks += [] if each is None else [each]
                sys.stderr.write(f"round {number + 1}: {each}\n")
    ((orders,),) = page.engine.rows(f"SELECT count(*) FROM {endpoints.marts_schema}.fct_orders")
    load = os.getloadavg()[2]
    text = (
        f"{page.charts} charts on the page; {orders:,} orders in the shop; {ORDERS} new ones before each of {rounds} "
        f"runs. Machine: {machine()}; load of the last 15 minutes {load:.1f}, {datetime.now(UTC):%H:%M} UTC.\n\n"
        f"{table(looks)}"
    )
    write(PAGE, text, MARKERS)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
