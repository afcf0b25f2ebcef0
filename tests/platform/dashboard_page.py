"""The dashboard's page in a browser: how to log in and open it, and how to see that all its charts are drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .browser import Browser

DASHBOARD = "/superset/dashboard/petco-executive/"
# Superset draws only charts that are in view: high enough for all rows.
SIZE = (1440, 3000)
# Every chart that the page shows now: its title, whether it is drawn, and its text.
STATE = """
[...document.querySelectorAll('[data-test="dashboard-component-chart-holder"]')]
.filter(holder => holder.offsetParent !== null).map(holder => ({
  title: (holder.querySelector('[data-test="editable-title"]') || {innerText: ''}).innerText.trim(),
  drawn: !holder.querySelector('.loading, [data-test="loading-indicator"], [aria-label="Loading"]')
    && !!holder.querySelector('canvas, table tbody tr'),
  failed: !!holder.querySelector('[role="alert"], .ant-alert-error, [data-test="missing-chart"]'),
  number: (holder.querySelector('.header-line') || {innerText: ''}).innerText,
  countries: [...holder.querySelectorAll('tbody tr td:nth-child(2)')].map(cell => cell.innerText),
  text: holder.innerText,
})).filter(chart => chart.title)"""


@dataclass(frozen=True)
class Superset:
    """The dashboards' address and the passwords of its users."""

    url: str
    passwords: dict[str, str] = field(repr=False)


def complete(charts: int) -> str:
    """Return the JavaScript condition that so many charts are there, each drawn or failed."""
    return f"(charts => charts.length >= {charts} && charts.every(chart => chart.drawn || chart.failed))({STATE})"


def log_in(browser: Browser, superset: Superset, user: str, password: str | None = None) -> None:
    """Fill in and send the login form, as a person does; does not wait for the outcome."""
    browser.open(f"{superset.url}/login/")
    browser.type_into("#username", user)
    browser.type_into("#password", superset.passwords[user] if password is None else password)
    browser.click('button[type="submit"]')


def logged_in(browser: Browser, superset: Superset, user: str) -> None:
    """Log in and wait for the page behind the login."""
    log_in(browser, superset, user)
    browser.wait_for("!location.pathname.startsWith('/login')", f"{user} is logged in", 90)


def charts_of_tab(position: Mapping[str, Any], tab: int = 0) -> set[str]:
    """Return the titles of the charts that a dashboard's layout shows with its tab of that number open.

    position: the layout, as Superset's `position_json` or the asset file's `position` has it. Without tabs, all charts.
    """
    found: set[str] = set()
    open_now = ["ROOT_ID"]
    while open_now:
        node = position[open_now.pop()]
        if node["type"] == "CHART":
            found.add(node["meta"]["sliceName"])
        children: Iterable[str] = node.get("children", [])
        open_now += [list(children)[tab]] if node["type"] == "TABS" else children
    return found


def read_charts(browser: Browser) -> dict[str, dict[str, Any]]:
    """Return the state of every chart that the page shows now, by its title."""
    return {chart["title"]: chart for chart in json.loads(browser.evaluate(f"JSON.stringify({STATE})"))}


def click_marked(browser: Browser, element: str, what: str) -> None:
    """Click the element that a JavaScript expression finds, once it is there; `what` names it in an error."""
    browser.wait_for(
        f"(found => {{ if (!found) return false; found.dataset.wanted = {json.dumps(what)}; return true }})({element})",
        what,
        60,
    )
    browser.click(f"[data-wanted={json.dumps(what)}]")


def open_tab(browser: Browser, title: str, charts: int) -> dict[str, dict[str, Any]]:
    """Open the tab of that title, as a person does, wait until so many charts are drawn, and return their states."""
    tabs = "[...document.querySelectorAll('[data-test=\"dashboard-component-tabs\"] .ant-tabs-tab')]"
    click_marked(browser, f"{tabs}.find(tab => tab.innerText.trim() === {json.dumps(title)})", f"the tab {title}")
    browser.wait_for(complete(charts), f"all {charts} charts of the tab {title} drawn", 180)
    return read_charts(browser)


def choose(browser: Browser, filter_name: str, option: str) -> None:
    """Choose an option of the dashboard's filter of that name; does not apply it yet."""
    labels = "[...document.querySelectorAll('[data-test=\"filter-control-name\"]')]"
    label = f"{labels}.find(each => each.offsetParent && each.innerText.trim() === {json.dumps(filter_name)})"
    select = (
        "(place => { while (place && !place.querySelector('.ant-select')) place = place.parentElement;"
        f" return place && place.querySelector('.ant-select') }})({label})"
    )
    # Filters for which a narrow bar has no room are behind a button.
    more = '[data-test="dropdown-container-btn"]'
    browser.wait_for(f"!!({select}) || !!document.querySelector({json.dumps(more)})", f"the filter {filter_name}", 60)
    if not browser.evaluate(f"!!({select})"):
        browser.click(more)
    click_marked(browser, select, f"the filter {filter_name}")
    wanted = f'.ant-select-item-option[title="{option}"]'
    browser.click(wanted)
    chosen = f"!!document.querySelector({json.dumps(wanted + '[aria-selected=true]')})"
    browser.wait_for(chosen, f"{option} is chosen", 60)


def apply_filters(browser: Browser) -> None:
    """Apply what was chosen in the dashboard's filters."""
    browser.click('[data-test="filter-bar__apply-button"]')


def picture(browser: Browser, path: Path) -> Path:
    """Save a picture of the page down to its last chart, once it is at rest; return the path."""
    bottom = (
        "Math.max(...[...document.querySelectorAll('[data-test=\"dashboard-component-chart-holder\"]')]"
        ".filter(each => each.offsetParent !== null).map(each => each.getBoundingClientRect().bottom))"
    )
    browser.resize(SIZE[0], round(browser.evaluate(bottom)) + 24)
    browser.settle()
    browser.screenshot(path)
    browser.resize(*SIZE)
    return path
