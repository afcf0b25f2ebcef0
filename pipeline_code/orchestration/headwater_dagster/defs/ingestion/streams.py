"""The streams of the shop that are replicated, and the keys of their assets."""

import dagster as dg

# What a stream's rows are and what they refer to, for the asset pages.
STREAMS = {
    "customers": "Accounts of customers.",
    "products": "Products with today's name, category and price.",
    "stores": "Stores.",
    "orders": "Orders and their state.",
    "order_items": "Lines of orders.",
}
SOURCE_GROUP = "shop"
RAW_GROUP = "raw"


def source_key(stream: str) -> dg.AssetKey:
    """The table in the shop's database."""
    return dg.AssetKey(["shop", stream])


def raw_key(stream: str) -> dg.AssetKey:
    """The change log in the lake."""
    return dg.AssetKey(["raw", stream])
