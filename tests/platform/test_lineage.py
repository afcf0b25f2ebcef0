"""Dagster's page of the asset graph: one lineage from the shop's tables to the marts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .browser import Browser
from .endpoints import Dagster, Endpoints

# The way of an order from the source to the dashboard, by asset key.
PATH = ("raw/orders", "marts/fct_orders", "marts/daily_sales", "marts/customer_cohorts")
# Domains that the picture shows as one box each.
FOLDED = {"stripe", "salesforce", "quality", "dashboards"}
# Names of the nodes that are wholly within the window.
IN_VIEW = """[...document.querySelectorAll('foreignObject')].filter(node => {
  const box = node.getBoundingClientRect();
  return box.width > 0 && box.top >= 120 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
}).map(node => node.textContent.trim())"""


@pytest.fixture(scope="module")
def upstream(dagster: Dagster) -> dict[str, set[str]]:
    """Every asset's key → the keys it is made from."""
    nodes = dagster.query("{ assetNodes { assetKey { path } dependencyKeys { path } } }")["assetNodes"]
    return {
        "/".join(node["assetKey"]["path"]): {"/".join(key["path"]) for key in node["dependencyKeys"]} for node in nodes
    }


def ancestors(upstream: dict[str, set[str]], key: str) -> set[str]:
    """All assets that `key` is made from, directly or not."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for parent in upstream.get(waiting.pop(), set()) - found:
            found.add(parent)
            waiting.append(parent)
    return found


def test_every_mart_comes_from_a_source(upstream: dict[str, set[str]]) -> None:
    """A model cut off from its source: it would never be refreshed by a run, and its lineage would be a lie."""
    marts = {key for key in upstream if key.startswith("marts/")}
    assert marts, f"no mart among Dagster's assets: {sorted(upstream)}"
    orphans = {key for key in marts if not any(a.startswith("raw/") for a in ancestors(upstream, key))}
    recorded = {"marts/data_quality", "marts/source_freshness"}
    assert orphans == recorded, "all but the views on what Dagster writes down itself: outcomes of tests, and loads"
    assert {"raw/stripe_charges", "raw/orders"} <= ancestors(upstream, "marts/payment_reconciliation")
    assert {"raw/salesforce_opportunities", "raw/orders"} <= ancestors(upstream, "marts/revenue_by_channel")
    assert {"raw/orders", "raw/order_items"} <= ancestors(upstream, "marts/daily_sales")


def test_the_lineage_page_draws_the_graph(
    browser: Browser, endpoints: Endpoints, dagster: Dagster, upstream: dict[str, set[str]], pictures: Path
) -> None:
    """A page that loads but stays blank, or a code location that failed to load."""
    missing = set(PATH) - set(upstream)
    assert not missing, f"assets missing in Dagster: {missing}"
    nodes = dagster.query("{ assetNodes { groupName } }")["assetNodes"]
    groups = {node["groupName"] for node in nodes} - FOLDED
    browser.resize(1700, 1250)
    # Groups are folded at first; the page keeps the open ones in its address.
    opened = ",".join(f"global@global:{group}" for group in sorted(groups))
    browser.open(f"{endpoints.dagster}/asset-groups?expanded={opened}")
    expected = json.dumps([key.split("/")[-1] for key in PATH])
    browser.wait_for(f"{IN_VIEW}.length > {len(groups)}", "a graph of assets", 120)
    # Dagster draws what is in view and has no key for "all of it": zoom out, a step at a time.
    for _ in range(8):
        if browser.evaluate(f"(seen => {expected}.every(name => seen.includes(name)))({IN_VIEW})"):
            break
        browser.click('[aria-label="zoom_out"]')
        browser.wait_for("document.getAnimations().length === 0", "the end of the zoom", 30)
    browser.wait_for(
        f"(seen => {expected}.every(name => seen.includes(name)))({IN_VIEW})", f"assets {expected} drawn in view", 60
    )
    browser.settle()
    picture = browser.screenshot(pictures / "lineage.png")
    assert picture.stat().st_size > 20_000, f"{picture}: an almost empty picture"
