"""The shop's orders under their contract, and changes of the source."""

from __future__ import annotations

from typing import Any

from conftest import Shop

COLUMNS = {
    "order_id": "{type: bigint, required: true}",
    "status": "{type: text, required: true}",
    "fee": "{type: 'numeric(12,2)', required: true}",
    "note": "{type: text}",
    "updated_at": "{type: timestamptz, required: true}",
}


def contract(extra: str = "", **changed: str | None) -> str:
    """Return the contract of the fixture's orders, with columns changed, added, or left out (None)."""
    columns = {**COLUMNS, **changed}
    lines = [f"  {name}: {kind}" for name, kind in columns.items() if kind is not None]
    return "\n".join(["key: [order_id]", extra, "columns:", *lines, ""])


def change(shop: Shop, *statements: str, touch: str = "order_id <= 2") -> None:
    """Change the source's table, and then some of its rows, so that they are sent again."""
    shop.execute(*statements, f"update shop.orders set updated_at = now() where {touch}")


def types(shop: Shop, table: str = "orders") -> dict[str, str]:
    return {field.name: str(field.field_type) for field in shop.table(table).schema().fields}


def newest(shop: Shop, order_id: int = 1) -> dict[str, Any]:
    return [row for row in shop.rows("orders", "_loaded_at") if row["order_id"] == order_id][-1]


def loaded_once(shop: Shop) -> Shop:
    """The shop, loaded once under its contract: nothing is open."""
    shop.contract(contract())
    shop.replicate()
    assert shop.findings() == {}
    return shop
