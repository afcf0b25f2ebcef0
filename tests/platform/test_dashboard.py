"""A person's way to the numbers: log in, open the dashboard, read it; and what a viewer must not be able to do."""

from __future__ import annotations

import json
import urllib.request
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import yaml

from .browser import Browser
from .conftest import ROOT
from .dashboard_page import (
    DASHBOARD,
    SIZE,
    STATE,
    Superset,
    apply_filters,
    charts_of_tab,
    choose,
    click_marked,
    complete,
    log_in,
    logged_in,
    open_tab,
    picture,
    read_charts,
)
from .endpoints import Endpoints

ASSETS = ROOT / "pipeline_code" / "dashboards" / "assets"
LAYOUT = yaml.safe_load((ASSETS / "dashboards" / "petco_executive.yaml").read_text())["position"]
TABS = [LAYOUT[tab]["meta"]["text"] for tab in LAYOUT["TABS-main"]["children"]]
SHOWN_FIRST = "order_date >= date_add('month', -11, date_trunc('month', current_date)) AND order_date <= current_date"
"""The range of time that the dashboard opens with."""


def charts_of(title: str) -> set[str]:
    """The titles of the charts of a tab."""
    return charts_of_tab(LAYOUT, TABS.index(title))


def assert_drawn(browser: Browser, charts: dict[str, dict[str, Any]], expected: set[str]) -> None:
    """Fail with the texts of charts that show an error, and where the page has others than the expected ones."""
    failed = {title: chart["text"][:400] for title, chart in charts.items() if chart["failed"]}
    assert not failed, f"charts with an error: {failed}; picture: {browser.screenshot(browser.pictures / 'failed.png')}"
    assert set(charts) == expected


def open_dashboard(browser: Browser, superset: Superset) -> dict[str, dict[str, Any]]:
    """Open the dashboard and wait until every chart is drawn; title → state. A failed chart fails the test."""
    browser.resize(*SIZE)
    browser.open(superset.url + DASHBOARD)
    expected = charts_of(TABS[0])
    browser.wait_for(complete(len(expected)), f"all {len(expected)} charts drawn", 180)
    charts = read_charts(browser)
    assert_drawn(browser, charts, expected)
    return charts


# Panels whose content is higher than they are and can't be scrolled, by their text.
CUT_OFF = """[...document.querySelectorAll('.dashboard-markdown, [data-test="slice-container"]')]
.filter(panel => panel.offsetParent !== null && panel.scrollHeight > panel.clientHeight + 2
  && getComputedStyle(panel).overflowY === 'hidden').map(panel => panel.innerText.slice(0, 80))"""


def shown_number(chart: dict[str, Any]) -> Decimal:
    """Return the big number of a chart, without currency and thousands separators; percent stays percent."""
    return Decimal("".join(c for c in chart["number"] if c in "0123456789.-"))


def rounded(value: Any, places: str) -> Decimal:
    """Round as d3-format does for these magnitudes."""
    return Decimal(str(value)).quantize(Decimal(places), rounding=ROUND_HALF_EVEN)


def ask(trino: Any, sql: str) -> list[Any]:
    """First row of a statement."""
    cursor = trino.cursor()
    cursor.execute(sql)
    return list(cursor.fetchone())


def totals(trino: Any, endpoints: Endpoints, where: str = SHOWN_FIRST) -> tuple[Decimal, int, Decimal, Decimal]:
    """Net revenue, orders, average order value and return rate (percent), as Trino has them."""
    net, orders, returned = ask(
        trino,
        f"SELECT sum(net_revenue), sum(orders), sum(returned_orders) "
        f"FROM {endpoints.marts_schema}.daily_orders WHERE {where}",
    )
    return net, orders, net / orders, Decimal(100 * returned) / orders


def assert_shown(charts: dict[str, dict[str, Any]], expected: tuple[Decimal, int, Decimal, Decimal]) -> None:
    """Compare the four numbers of the first row with the expected ones; the shown ones are rounded."""
    net, orders, value, rate = expected
    shown = {title: shown_number(charts[title]) for title in ("Net revenue", "Orders", "Average order value")}
    assert abs(shown["Net revenue"] - net) <= Decimal("0.51"), (shown, expected)
    assert shown["Orders"] == orders, (shown, expected)
    assert abs(shown["Average order value"] - value) <= Decimal("0.0051"), (shown, expected)
    assert abs(shown_number(charts["Return rate"]) - rate) <= Decimal("0.051"), (charts["Return rate"]["text"], rate)


def test_a_viewer_sees_trinos_numbers(
    browser: Browser, superset: Superset, trino: Any, endpoints: Endpoints, pictures: Path
) -> None:
    """A dashboard that shows an error, an endless spinner, or numbers other than the warehouse's."""
    before = totals(trino, endpoints)
    logged_in(browser, superset, "viewer")
    charts = open_dashboard(browser, superset)
    assert_shown(charts, before if totals(trino, endpoints) == before else totals(trino, endpoints))
    shown = picture(browser, pictures / "dashboard.png")
    assert shown.stat().st_size > 50_000, f"{shown}: an almost empty picture"
    foreign = [error for error in browser.failed_requests if not error.split(" ", 1)[1].startswith(superset.url)]
    assert not foreign, f"the page asked for other hosts: {foreign}"
    assert not [request for request in browser.failed_requests if "/api/v1/chart/data" in request]


def test_the_channel_filter_changes_the_numbers(
    browser: Browser, superset: Superset, trino: Any, endpoints: Endpoints
) -> None:
    """A filter that is shown but reaches no query."""
    logged_in(browser, superset, "viewer")
    open_dashboard(browser, superset)
    choose(browser, "Channel", "app")
    apply_filters(browser)
    all_channels = totals(trino, endpoints)[1]
    browser.wait_for(
        "(charts => charts.every(chart => chart.drawn || chart.failed)"
        " && charts.some(chart => chart.title === 'Orders'"
        f" && chart.number.trim() !== {json.dumps(f'{all_channels:,}')}))({STATE})",
        "all charts drawn again, with another number of orders",
        180,
    )
    charts = read_charts(browser)
    assert_shown(charts, totals(trino, endpoints, f"{SHOWN_FIRST} AND channel = 'app'"))


def test_every_tab_is_drawn_and_nothing_is_cut_off(browser: Browser, superset: Superset, pictures: Path) -> None:
    """A tab that nobody opens before its readers do; a text or a table that ends at the panel's edge."""
    logged_in(browser, superset, "viewer")
    open_dashboard(browser, superset)
    for title in TABS[1:]:
        expected = charts_of(title)
        assert_drawn(browser, open_tab(browser, title, len(expected)), expected)
        picture(browser, pictures / f"dashboard-{title.split()[0].lower()}.png")
        assert browser.evaluate(CUT_OFF) == [], title


def test_the_country_filter_changes_the_stores(
    browser: Browser, superset: Superset, trino: Any, endpoints: Endpoints
) -> None:
    """A filter that is shown but reaches no query, or offers what is not there."""
    store, country = ask(
        trino,
        f"SELECT store_name, country FROM {endpoints.marts_schema}.store_sales"
        " GROUP BY store_name, country ORDER BY sum(net_revenue) LIMIT 1",
    )
    logged_in(browser, superset, "viewer")
    open_dashboard(browser, superset)
    open_tab(browser, "Products and stores", len(charts_of("Products and stores")))
    choose(browser, "Country", country)
    apply_filters(browser)
    only_there = (
        "(charts => charts.every(chart => chart.drawn || chart.failed) && charts.some(chart => chart.title === 'Stores'"
        f" && chart.text.includes({json.dumps(store)}) && chart.countries.every(each => each === {json.dumps(country)})"
        f"))({STATE})"
    )
    browser.wait_for(only_there, f"only stores in {country}", 180)


def test_a_viewer_can_drill(browser: Browser, superset: Superset) -> None:
    """A reader who sees a number and may not ask what it is made of."""
    logged_in(browser, superset, "viewer")
    open_dashboard(browser, superset)
    holder = (
        "[...document.querySelectorAll('[data-test=\"dashboard-component-chart-holder\"]')]"
        ".find(each => each.innerText.startsWith('Orders by channel'))"
    )
    click_marked(browser, f"{holder}.querySelector('[aria-label=\"More Options\"]')", "the chart's menu")
    menu = "[...document.querySelectorAll('.ant-dropdown-menu-title-content')]"
    click_marked(browser, f"{menu}.find(each => each.innerText.trim() === 'Drill to detail')", "Drill to detail")
    rows = "document.querySelectorAll('.ant-modal-body .virtual-table-cell, .ant-modal-body tbody td').length"
    browser.wait_for(f"{rows} > 0", "rows of the mart", 120)
    assert not [each for each in browser.failed_requests if "/datasource/" in each or "/dataset/" in each]


def status_of(browser: Browser, path: str, method: str = "GET") -> int:
    """HTTP status of a request that the page itself makes, with its session and CSRF token, without a body."""
    return int(
        browser.evaluate(
            f"""(async () => {{
              const token = (await (await fetch('/api/v1/security/csrf_token/')).json()).result || '';
              const headers = {{'X-CSRFToken': token, 'Content-Type': 'application/json'}};
              const body = {json.dumps(method)} === 'GET' ? undefined : '{{}}';
              return (await fetch({json.dumps(path)}, {{method: {json.dumps(method)}, headers, body}})).status;
            }})()"""
        )
    )


REFUSED_TO_VIEWERS = (
    ("POST", "/api/v1/sqllab/execute/"),
    ("GET", "/api/v1/database/"),
    ("PUT", "/api/v1/dashboard/1"),
    ("DELETE", "/api/v1/dashboard/1"),
    ("PUT", "/api/v1/chart/1"),
    ("POST", "/api/v1/chart/"),
    ("PUT", "/api/v1/dataset/1"),
    ("GET", "/api/v1/assets/export/"),
    ("GET", "/api/v1/security/users/"),
    ("GET", "/api/v1/security/roles/"),
)


def test_a_viewer_only_reads(browser: Browser, superset: Superset) -> None:
    """A role that grew: a viewer who can run SQL, or change or delete what others see."""
    logged_in(browser, superset, "viewer")
    assert status_of(browser, "/api/v1/dashboard/petco-executive") == 200
    answers = {f"{method} {path}": status_of(browser, path, method) for method, path in REFUSED_TO_VIEWERS}
    assert {call: status for call, status in answers.items() if status not in {403, 404}} == {}


def test_a_viewer_has_no_sql_lab_and_no_edit_button(browser: Browser, superset: Superset) -> None:
    """Menus that offer a viewer what is refused afterwards, or are not refused at all."""
    logged_in(browser, superset, "viewer")
    browser.open(superset.url + "/sqllab/")
    assert f"403 {superset.url}/sqllab/" in browser.failed_requests, browser.failed_requests
    open_dashboard(browser, superset)
    page = browser.evaluate("document.body.innerText")
    assert "Edit dashboard" not in page
    assert "SQL Lab" not in page


def test_an_editor_can_query_the_lake(browser: Browser, superset: Superset, endpoints: Endpoints) -> None:
    """An editor role without its data, or SQL Lab failing on Iceberg's partition metadata."""
    logged_in(browser, superset, "editor")
    answer = browser.evaluate(
        f"""(async () => {{
          const token = (await (await fetch('/api/v1/security/csrf_token/')).json()).result;
          const list = await (await fetch('/api/v1/database/')).json();
          const lake = list.result.find(database => database.database_name === 'lake');
          const schema = {json.dumps(endpoints.marts_schema)};
          const headers = {{'X-CSRFToken': token, 'Content-Type': 'application/json'}};
          const table = await (await fetch(
            `/api/v1/database/${{lake.id}}/table_metadata/?name=daily_orders&schema=${{schema}}`)).json();
          const body = JSON.stringify({{database_id: lake.id, schema, runAsync: false,
            client_id: 'test' + Date.now() % 1e6, sql: 'SELECT sum(orders) AS orders FROM daily_orders'}});
          const query = await (await fetch('/api/v1/sqllab/execute/', {{method: 'POST', headers, body}})).json();
          return JSON.stringify({{table, query}});
        }})()"""
    )
    found = json.loads(answer)
    assert "record_count" not in found["table"]["selectStar"], found["table"]["selectStar"]
    assert found["table"]["indexes"] == [], found["table"]["indexes"]
    assert found["query"]["data"][0]["orders"] > 0, found["query"]


def test_a_wrong_password_is_refused(browser: Browser, superset: Superset) -> None:
    """A login form that lets anyone in, or that says nothing."""
    log_in(browser, superset, "viewer", password="not-the-password")
    browser.wait_for("document.body.innerText.includes('Invalid username or password')", "the refusal", 60)
    browser.open(superset.url + DASHBOARD)
    browser.wait_for("location.pathname.startsWith('/login')", "the login page instead of the dashboard", 60)


def test_the_login_pages_events_leave_the_session_alone(superset: Superset) -> None:
    """A login that is undone at once: the answer to an anonymous event must carry no session cookie."""
    request = urllib.request.Request(f"{superset.url}/superset/log/?explode=events", data=b"events=[]")
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 204
        assert response.headers.get("Set-Cookie") is None
