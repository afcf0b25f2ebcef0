"""The Stripe tap against the stand-in over a real shop: nothing lost, nothing twice, whatever the API answers."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import PACKAGES
from entry_point import EntryPoint
from headwater_contracts import read_source
from headwater_tap.calls import ServiceError
from petco.api.faults import Fault, Kind
from stripe_stand_in import KEY, ORDERS, Stripe, add_order, cancel, numbers, records, served_stripe
from tap_stripe.objects import KINDS
from tap_stripe.tap import TapStripe
from target_iceberg.rows.types import iceberg_schema
from target_iceberg.run import IncompleteStreamError

if TYPE_CHECKING:
    from conftest import Server, Shop
    from pyiceberg.catalog import Catalog

STREAMS = [kind.stream for kind in KINDS]


@pytest.fixture
def stripe(server: Server, shop: Shop) -> Iterator[Stripe]:
    yield from served_stripe(server, shop)


def test_the_first_run_reads_everything_and_the_second_nothing(stripe: Stripe) -> None:
    messages = stripe.extract()
    declined = ORDERS // 37
    assert numbers(messages)["stripe_charges"] == ORDERS + declined
    assert numbers(messages)["stripe_customers"] == 120 - 1  # one has been deleted
    activated = [message["stream"] for message in messages if message["type"] == "ACTIVATE_VERSION"]
    assert activated == sorted(STREAMS)
    ids = [record["id"] for record in records(messages, "stripe_charges")]
    assert len(set(ids)) == len(ids)
    again = stripe.extract()
    assert numbers(again) == {}
    activated = {message["stream"] for message in again if message["type"] == "ACTIVATE_VERSION"}
    assert activated == {"stripe_disputes", "stripe_refunds"}  # still without a row, so without a bookmark


def test_new_changed_and_deleted_objects_come_once(stripe: Stripe) -> None:
    """A refund changes a charge that was made long before: only an event tells. A deletion leaves no object."""
    stripe.extract()
    stripe.now += 3600
    cancel(stripe, 7, stripe.now - 600)
    stripe.shop.execute(
        f"insert into shop.orders values (521, 3, null, 'web', 'placed', 'EUR', 0, to_timestamp({stripe.now - 60}),"
        f" to_timestamp({stripe.now - 60}))",
        "insert into shop.order_items values (521, 521, 1, 1, 60, 0, 0, now())",
        f"update shop.customers set last_name = 'Lovelace', updated_at = to_timestamp({stripe.now - 500})"
        " where customer_id = 5",
        # Deleted sixty days after it was opened, half an hour ago.
        f"update shop.customers set created_at = to_timestamp({stripe.now - 1800 - 60 * 86_400})"
        " where customer_id = 97",
    )
    messages = stripe.extract()
    charges = {record["id"]: record for record in records(messages, "stripe_charges")}
    assert set(charges) == {"ch_0000000000000007", "ch_0000000000000521"}
    assert charges["ch_0000000000000007"]["amount_refunded"] == charges["ch_0000000000000007"]["amount"]
    assert charges["ch_0000000000000521"]["amount"] == 6000
    assert [record["id"] for record in records(messages, "stripe_refunds")] == ["re_0000000000000007"]
    transactions = {record["id"] for record in records(messages, "stripe_balance_transactions")}
    assert transactions == {"txn_re_0000000000000007", "txn_ch_0000000000000521"}
    customers = {record["id"]: record for record in records(messages, "stripe_customers")}
    assert customers["cus_0000000000000005"]["name"] == "Ada Lovelace"
    assert customers["cus_0000000000000005"]["_sdc_deleted_at"] is None
    assert customers["cus_0000000000000097"]["_sdc_deleted_at"] is not None
    assert customers["cus_0000000000000097"]["email"] == "c97@example.com"
    assert numbers(stripe.extract()) == {}


def test_an_object_made_and_changed_between_two_runs_comes_once(stripe: Stripe) -> None:
    """Two versions of a key in one load could not be told apart."""
    stripe.extract()
    stripe.now += 3600
    stripe.shop.execute(
        f"insert into shop.orders values (521, 3, null, 'web', 'cancelled', 'EUR', 0, to_timestamp({stripe.now - 900}),"
        f" to_timestamp({stripe.now - 300}))",
        "insert into shop.order_items values (521, 521, 1, 1, 60, 0, 0, now())",
    )
    (charge,) = records(stripe.extract(), "stripe_charges")
    assert charge["refunded"] is True


def test_what_is_not_listed_yet_is_left_to_the_next_run(stripe: Stripe) -> None:
    """A list that lags behind by seconds would lose what it does not show yet, once the bookmark is past it."""
    stripe.extract(settle_seconds=10)
    stripe.now += 60
    moment = stripe.now - 5
    late = f"(521, 3, null, 'web', 'placed', 'EUR', 0, to_timestamp({moment}), to_timestamp({moment}))"
    assert records(stripe.extract(settle_seconds=10), "stripe_charges") == []
    stripe.shop.execute(
        f"insert into shop.orders values {late}",
        "insert into shop.order_items values (521, 521, 1, 1, 60, 0, 0, now())",
    )
    stripe.now += 60
    assert len(records(stripe.extract(settle_seconds=10), "stripe_charges")) == 1


def test_what_is_listed_minutes_late_is_found_and_sent_once(stripe: Stripe) -> None:
    """A charge, or an event, that the API shows only after a run has passed its time: it would be lost for ever."""
    stripe.extract()
    stripe.now += 3600
    add_order(stripe, 521, stripe.now - 300)
    assert len(records(stripe.extract(), "stripe_charges")) == 1
    # Shown only now: a charge of five minutes before that run, and the refund of an old one.
    add_order(stripe, 522, stripe.now - 301)
    cancel(stripe, 7, stripe.now - 400)
    stripe.now += 60
    late = records(stripe.extract(), "stripe_charges")
    assert {record["id"] for record in late} == {"ch_0000000000000522", "ch_0000000000000007"}
    stripe.now += 60
    assert numbers(stripe.extract()) == {}


def test_a_bookmark_of_before_the_overlap_sends_nothing_twice(stripe: Stripe) -> None:
    """An upgrade must not double what the last run sent: an older bookmark does not say what that was."""
    stripe.extract()
    stripe.now += 3600
    add_order(stripe, 521, stripe.now - 300)
    stripe.extract()
    for bookmark in stripe.state["bookmarks"].values():
        bookmark.pop("seen", None)
    stripe.now += 60
    assert numbers(stripe.extract()) == {}


def test_events_that_are_gone_mean_a_complete_read(stripe: Stripe) -> None:
    """Events are kept for 30 days: after a longer pause no one can tell what has changed."""
    stripe.extract()
    stripe.now += 31 * 86_400
    cancel(stripe, 7, stripe.now - 30 * 86_400 - 600)
    messages = stripe.extract()
    assert numbers(messages)["stripe_charges"] == ORDERS + ORDERS // 37
    assert "stripe_charges" in [message["stream"] for message in messages if message["type"] == "ACTIVATE_VERSION"]


@pytest.mark.parametrize("kind", ["429", "500", "html", "truncated", "again", "slow"])
def test_bad_answers_neither_lose_nor_double_a_row(stripe: Stripe, kind: Kind) -> None:
    whole = numbers(stripe.messages())
    before = stripe.faults.requests
    # In the order in which streams are read, by name.
    for path in ("balance_transactions", "charges"):
        stripe.faults.plan(*[Fault(kind, f"/stripe/v1/{path}")] * 2)
    messages = stripe.extract()
    assert stripe.faults.left == 0
    assert stripe.faults.requests > before
    assert numbers(messages) == whole
    for stream in STREAMS:
        ids = [record["id"] for record in records(messages, stream)]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("429", "rate_limit"), ("500", "status 500"), ("html", "text/html"), ("truncated", "not complete")],
)
def test_an_api_that_stays_bad_ends_in_a_clear_error(stripe: Stripe, kind: Kind, said: str) -> None:
    """And its bookmark stays where it was: the marker of an unfinished read is in the last state."""
    stripe.faults.plan(*[Fault(kind, "/stripe/v1/charges")] * 6)
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with pytest.raises(ServiceError, match=said) as failed, contextlib.redirect_stdout(output):
        TapStripe(config={"api_key": KEY, "api_url": stripe.url, "first_wait_seconds": 0.01}).sync_all()
    assert "6 attempts" in str(failed.value)
    assert KEY not in str(failed.value)
    output.seek(0)
    states = [json.loads(line)["value"] for line in output if '"STATE"' in line]
    assert "progress_markers" in states[-1]["bookmarks"]["stripe_charges"]


def test_a_wrong_key_is_told_at_once(stripe: Stripe) -> None:
    with pytest.raises(ServiceError, match="api_key") as failed:
        stripe.messages(api_key="rk_test_wrong")
    assert "rk_test_wrong" not in str(failed.value)


def test_expanded_fields_hold_the_object(stripe: Stripe) -> None:
    messages = stripe.messages(expand=["stripe_charges.balance_transaction"])
    paid = next(record for record in records(messages, "stripe_charges") if record["paid"])
    assert json.loads(paid["balance_transaction"])["object"] == "balance_transaction"
    with pytest.raises(ValueError, match=r"charges\.customer"):
        stripe.messages(expand=["charges.customer"])


def test_lake_and_position_go_together(stripe: Stripe) -> None:
    """A run whose state was lost after its commit must not double a row: the table's position is told."""
    stripe.load(stripe.lines())
    assert stripe.shop.count("stripe_charges") == ORDERS + ORDERS // 37
    state = json.loads(json.dumps(stripe.state))
    stripe.now += 3600
    cancel(stripe, 7, stripe.now - 600)
    lines = stripe.lines()
    stripe.load(lines)
    assert stripe.shop.count("stripe_charges") == ORDERS + ORDERS // 37 + 1
    # The state of the second run was lost: the same rows are offered again, and refused.
    with pytest.raises(Exception, match="doubled or lost"):
        stripe.load(lines)
    assert stripe.shop.count("stripe_charges") == ORDERS + ORDERS // 37 + 1
    # What the tables say wins over the lost state.
    positions = Path(stripe.shop.folder) / "positions.json"
    positions.parent.mkdir(parents=True, exist_ok=True)
    positions.write_text(json.dumps(stripe.state["bookmarks"]))
    stripe.state = state
    assert numbers(stripe.messages(positions_file=str(positions))) == {}


def test_meltano_runs_it_and_a_lost_state_doubles_nothing(stripe: Stripe, tmp_path: Path) -> None:
    """The names of settings in meltano.yml, the selection of streams, and the tables' positions, end to end."""
    ingest = EntryPoint(tmp_path, stripe.shop.namespace, {"STRIPE_API_KEY": KEY, "STRIPE_API_URL": stripe.url})
    first = ingest("--tap", "tap-stripe", "--streams", "stripe_charges,stripe_refunds")
    assert first.returncode == 0, first.stdout + first.stderr
    assert stripe.shop.count("stripe_charges") == ORDERS + ORDERS // 37
    stripe.now += 3600
    cancel(stripe, 7, stripe.now - 600)
    shutil.rmtree(tmp_path / "meltano")  # with Meltano's state
    second = ingest("--tap", "tap-stripe", "--streams", "stripe_charges,stripe_refunds")
    assert second.returncode == 0, second.stdout + second.stderr
    assert stripe.shop.count("stripe_charges") == ORDERS + ORDERS // 37 + 1
    assert stripe.shop.count("stripe_refunds") == 1
    assert KEY not in first.stdout + first.stderr + second.stdout + second.stderr


def test_the_contracts_say_what_the_tap_sends() -> None:
    """A contract that is wrong from the start would report drift at the first load."""
    contracts = {each.stream: each for each in read_source(PACKAGES.parent / "contracts" / "stripe").streams}
    assert set(contracts) == set(STREAMS)
    for kind in KINDS:
        sent = iceberg_schema(kind.stream, kind.json_schema(), ["id"])
        loaded = {field.name: (str(field.field_type), field.required) for field in sent.fields}
        names = {"text": "string", "bigint": "long"}
        said = {
            name: (names.get(str(column.type), str(column.type)), column.required)
            for name, column in contracts[kind.stream].columns.items()
        }
        assert {name: loaded[name] for name in said} == said
        assert set(loaded) - set(said) <= {"_loaded_at", "_sdc_deleted_at"}


def test_a_tap_that_ends_early_publishes_nothing(stripe: Stripe, catalog: Catalog) -> None:
    """Charges without their refunds: the target must not take the streams that came for the whole run."""
    lines = stripe.lines().splitlines(keepends=True)
    second = [index for index, line in enumerate(lines) if json.loads(line)["type"] == "SCHEMA"][1]
    with pytest.raises(IncompleteStreamError, match=STREAMS[1]):
        stripe.load("".join(lines[:second]))
    assert not catalog.table_exists((stripe.shop.namespace, STREAMS[0]))
    stripe.state = {}
    stripe.load(stripe.lines())
    assert stripe.shop.count(STREAMS[0]) >= ORDERS
