"""The stand-in of Stripe over a real shop: its numbers are the shop's, and its lists behave as Stripe's do."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.pipeline.sources.conftest import Shop, free_port
from tests.pipeline.sources.stripe_client import KEY, Api, Body

DAY = 86_400


@pytest.fixture(scope="module")
def seeded(shop: Shop) -> Shop:
    roles = shop.init("--reader", "headwater_reader:shop", "shop")
    assert roles.returncode == 0, roles.stderr
    made = shop.petco("seed", "--scale", "0.006", "--seed", "3")
    assert made.returncode == 0, made.stderr
    return shop


@pytest.fixture(scope="module")
def api(seeded: Shop) -> Iterator[Api]:
    """The command that the image runs, as a role that can only read."""
    port = free_port()
    environment = {
        **seeded.petco_environment,
        "SHOP_USER": "headwater_reader",
        "SHOP_PASSWORD": seeded.password("headwater_reader"),
        "STRIPE_API_KEY": KEY,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "petco", "api", "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not answers(address):
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Api(address)
    finally:
        process.terminate()
        process.wait(30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def lists(api: Api) -> dict[str, list[Body]]:
    names = ("charges", "refunds", "disputes", "payouts", "customers", "balance_transactions", "events")
    return {name: api.all(name) for name in names}


@pytest.fixture
def query(seeded: Shop) -> Callable[[str], list[tuple[Any, ...]]]:
    def ask(statement: str) -> list[tuple[Any, ...]]:
        with seeded.connect("postgres") as connection:
            return connection.execute(statement).fetchall()

    return ask


def test_every_order_of_web_and_app_is_paid_to_the_cent(lists: dict[str, list[Body]], query: Any) -> None:
    """Payments that do not add up to the orders would make the reconciliation fail for no reason."""
    owed = {
        order: int(total * 100)
        for order, total in query(
            "SELECT order_id, shipping_fee + sum(quantity * unit_price - discount_amount) FROM shop.orders"
            " JOIN shop.order_items USING (order_id) WHERE channel <> 'store' GROUP BY order_id, shipping_fee"
        )
    }
    transactions = {each["id"]: each for each in lists["balance_transactions"]}
    brought = {
        int(each["metadata"]["order_id"]): transactions[each["balance_transaction"]]["amount"]
        for each in lists["charges"]
        if each["paid"]
    }
    assert brought == owed


def test_refunds_are_what_came_back(lists: dict[str, list[Body]], query: Any) -> None:
    back = {
        order: int(total * 100)
        for order, total in query(
            "SELECT order_id, CASE status WHEN 'cancelled' THEN shipping_fee"
            " + sum(quantity * unit_price - discount_amount)"
            " ELSE sum(quantity * unit_price - discount_amount) FILTER (WHERE returned_quantity > 0) END"
            " FROM shop.orders JOIN shop.order_items USING (order_id)"
            " WHERE channel <> 'store' AND status IN ('cancelled', 'returned') GROUP BY order_id, status, shipping_fee"
        )
    }
    transactions = {each["id"]: each for each in lists["balance_transactions"]}
    refunds = lists["refunds"]
    assert {int(r["metadata"]["order_id"]): -transactions[r["balance_transaction"]]["amount"] for r in refunds} == back
    charges = {each["id"]: each for each in lists["charges"]}
    assert all(charges[each["charge"]]["amount_refunded"] == each["amount"] for each in refunds)


def test_foreign_amounts_become_the_orders_own_again(lists: dict[str, list[Body]]) -> None:
    """Amount times rate, rounded, is the amount in EUR, for charges and refunds: no cent is lost in exchange."""
    objects = {each["id"]: each for name in ("charges", "refunds") for each in lists[name]}
    foreign = [each for each in lists["balance_transactions"] if each["exchange_rate"] is not None]
    assert {objects[each["source"]]["currency"] for each in foreign if each["source"] in objects} == {"pln", "usd"}
    for each in foreign:
        if each["source"] in objects:
            exchanged = objects[each["source"]]["amount"] * Decimal(str(each["exchange_rate"]))
            assert round(exchanged) == abs(each["amount"]), each


def test_payouts_are_all_the_money_of_their_day(api: Api, lists: dict[str, list[Body]]) -> None:
    net: dict[int, int] = defaultdict(int)
    for each in lists["balance_transactions"]:
        if each["type"] != "payout":
            net[each["created"] // DAY * DAY + 2 * DAY] += each["net"]
    payouts = {each["created"]: each["amount"] for each in lists["payouts"]}
    now = int(time.time())
    assert len(payouts) > 100
    assert payouts == {created: cents for created, cents in net.items() if created <= now}
    newest = lists["payouts"][0]
    paid = api.all("balance_transactions", payout=newest["id"])
    assert sum(each["net"] for each in paid) == newest["amount"]
    transactions = {each["id"]: each for each in lists["balance_transactions"]}
    assert transactions[newest["balance_transaction"]]["amount"] == -newest["amount"]


def test_fees_follow_the_price_list(lists: dict[str, list[Body]]) -> None:
    for each in lists["balance_transactions"]:
        assert each["net"] == each["amount"] - each["fee"]
        if each["type"] == "charge":
            assert abs(each["fee"] - (Decimal(each["amount"]) * Decimal("0.014") + 25)) <= Decimal("0.5")


def test_disputes_and_failures_are_there(lists: dict[str, list[Body]]) -> None:
    statuses = {each["status"] for each in lists["disputes"]}
    assert {"won", "lost"} <= statuses
    charges = {each["id"]: each for each in lists["charges"]}
    assert all(charges[each["charge"]]["disputed"] for each in lists["disputes"])
    assert any(each["status"] == "failed" and each["failure_code"] == "card_declined" for each in lists["charges"])


@pytest.mark.parametrize("name", ["charges", "balance_transactions", "customers", "refunds", "payouts", "events"])
def test_pages_of_any_size_are_the_same_list(api: Api, lists: dict[str, list[Body]], name: str) -> None:
    """A row at the border of two pages must be on exactly one of them, in both directions."""
    whole = [each["id"] for each in lists[name]]
    assert len(set(whole)) == len(whole)
    moments = [each["created"] for each in lists[name]]
    assert moments == sorted(moments, reverse=True)
    some = whole[:60]
    forward: list[str] = []
    while len(forward) < len(some):
        more = {"starting_after": forward[-1]} if forward else {}
        forward += [each["id"] for each in api.get(name, limit=7, **more)["data"]]
    assert forward[: len(some)] == some
    backward = [some[-1]]
    while len(backward) < len(some):
        page = api.get(name, limit=7, ending_before=backward[0])
        backward = [each["id"] for each in page["data"]] + backward
        assert page["has_more"] == (len(backward) < len(some))
    assert backward == some


@pytest.mark.parametrize("name", ["charges", "balance_transactions", "customers", "refunds", "disputes", "payouts"])
def test_created_filters_cut_the_list(api: Api, lists: dict[str, list[Body]], name: str) -> None:
    moments = sorted({each["created"] for each in lists[name]})
    low, high = moments[len(moments) // 4], moments[3 * len(moments) // 4]
    wanted = [each["id"] for each in lists[name] if low <= each["created"] < high]
    assert [each["id"] for each in api.all(name, **{"created[gte]": low, "created[lt]": high})] == wanted
    wanted = [each["id"] for each in lists[name] if low < each["created"] <= high]
    assert [each["id"] for each in api.all(name, **{"created[gt]": low, "created[lte]": high})] == wanted


def test_what_the_shop_changes_is_an_event(seeded: Shop, api: Api) -> None:
    """A change without an event would never reach the lake: lists are read by time of creation."""
    since = int(time.time())
    done = json.loads(seeded.petco("change", "--new", "60", "--changed", "60").stdout.splitlines()[-1])
    assert done["orders_inserted"] == 60
    types = ["charge.refunded", "refund.created", "charge.succeeded"]
    events = api.all("events", **{"created[gte]": since, "types[]": types})
    created = [each for each in events if each["type"] == "charge.succeeded"]
    assert len(created) == len(api.all("charges", **{"created[gte]": since})) - len(
        [each for each in api.all("charges", **{"created[gte]": since}) if not each["paid"]]
    )
    refunded = {each["data"]["object"]["id"] for each in events if each["type"] == "charge.refunded"}
    assert refunded
    assert refunded == {each["charge"] for each in api.all("refunds", **{"created[gte]": since})}
    for identifier in refunded:
        assert api.get(f"charges/{identifier}")["amount_refunded"] > 0


def test_deleted_customers_are_gone_and_told(seeded: Shop, api: Api) -> None:
    """A row that vanishes without an event could never be marked as deleted."""
    identifier = "cus_0000000000000097"
    with seeded.connect("shop") as connection:
        connection.execute(
            "UPDATE shop.customers SET created_at = now() - interval '70 days', updated_at = now() - interval '70 days'"
            " WHERE customer_id = 97"
        )
    assert identifier not in {each["id"] for each in api.all("customers")}
    told = api.all("events", **{"types[]": ["customer.deleted"]})
    assert identifier in {each["data"]["object"]["id"] for each in told}
    assert api.get(f"customers/{identifier}")["deleted"] is True


def test_expansion_puts_the_object_in_place(api: Api) -> None:
    page = api.get("charges", **{"limit": 3, "expand[]": ["data.balance_transaction", "data.customer"]})
    paid = next(each for each in page["data"] if each["paid"])
    assert paid["balance_transaction"]["object"] == "balance_transaction"
    assert paid["customer"] is None or paid["customer"]["object"] == "customer"
    refund = api.get("refunds", limit=1)["data"][0]
    assert api.get(f"refunds/{refund['id']}", **{"expand[]": "charge"})["charge"]["id"] == refund["charge"]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "code"),
    [
        ("charges", {"limit": 101}, 400, None),
        ("charges", {"limit": "ten"}, 400, "parameter_invalid_integer"),
        ("charges", {"starting_after": "ch_999999999"}, 400, "resource_missing"),
        ("charges", {"surprise": 1}, 400, "parameter_unknown"),
        ("charges", {"expand[]": "data.surprise"}, 400, None),
        ("charges/ch_999999999", {}, 404, "resource_missing"),
        ("surprises", {}, 404, None),
    ],
)
def test_wrong_requests_are_told_so(api: Api, path: str, parameters: Any, status: int, code: str | None) -> None:
    """A stand-in that is more lenient than the real API hides mistakes of its callers."""
    answered, body, _ = api.request(path, **parameters)
    assert answered == status
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"].get("code") == code


def test_only_the_key_opens_and_only_to_read(api: Api) -> None:
    status, body, _ = Api(api.address, "rk_test_wrong_key_9876").request("charges")
    assert status == 401
    assert KEY not in json.dumps(body)
    for path in ("charges", "surprises"):
        asked = urllib.request.Request(
            f"{api.address}/stripe/v1/{path}", method="POST", headers={"Authorization": f"Bearer {KEY}"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=10)
        assert refused.value.code == 403


def test_another_version_is_refused(api: Api) -> None:
    status, body, _ = Api(api.address, headers={"Stripe-Version": "2015-01-01"}).request("charges")
    assert status == 400
    assert "2015-01-01" in body["error"]["message"]


def test_without_credentials_nothing_is_served(seeded: Shop) -> None:
    """A stand-in that starts without knowing whom to serve would serve everybody or nobody."""
    environment = {name: value for name, value in seeded.petco_environment.items() if name != "STRIPE_API_KEY"}
    done = subprocess.run(
        [sys.executable, "-m", "petco", "api", "--port", str(free_port())],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "STRIPE_API_KEY" in done.stderr
