"""What reads the marts: the last link of the lineage. Superset queries them itself, nothing is built here."""

import dagster as dg

MARTS = (
    "customer_cohorts",
    "daily_orders",
    "daily_sales",
    "data_quality",
    "payment_reconciliation",
    "product_sales",
    "revenue_by_channel",
    "source_freshness",
    "store_sales",
)

definitions = dg.Definitions(
    assets=[
        dg.AssetSpec(
            ["dashboards", "petco_executive_overview"],
            deps=[dg.AssetKey(["marts", mart]) for mart in MARTS],
            group_name="dashboards",
            description='The Superset dashboard "PetCo executive overview".',
            kinds={"superset"},
        )
    ]
)
