"""Each object as an SQL query over the shop's tables, so that all numbers agree and change with the shop."""

# ruff: noqa: S608 - all SQL here is put together from constants of the program.

from petco import vocabulary
from petco.wholesale import CUSTOMERS_PER_ACCOUNT

ORDERS_PER_OPPORTUNITY = 50
ACCOUNTS_PER_DUPLICATE = 25
"""One account in so many was entered twice; the copy is merged away, deleted, when the customer's row changes."""
DUPLICATES_FROM = 500_000_000
OWNER = "005"

_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def checksum(short: str) -> str:
    """The three characters that make a 15-character id one of 18: they say which letters are upper case."""
    parts = (short[start : start + 5] for start in range(0, 15, 5))
    return "".join(_CHECKSUM[sum(1 << index for index, one in enumerate(part) if one.isupper())] for part in parts)


def record_id(prefix: str, number: int) -> str:
    """The id of a record: prefix, instance, number; all but the instance's `Q` are digits or lower case."""
    short = f"{prefix}Qy0{number:09d}"
    return short + checksum(short)


def _id(prefix: str, number: str) -> str:
    """The same as SQL; `number` is an SQL expression."""
    return f"'{prefix}Qy0' || lpad(({number})::text, 9, '0') || '{checksum(prefix + 'Qy0000000000')}'"


def _drawn(number: str, salt: int, choices: int) -> str:
    """SQL for a whole number below `choices` that looks random and is always the same for `number`."""
    return f"mod((({number}) * 2654435761 + {salt * 40503}) >> 12, {choices})"


def _dates(created: str, changed: str) -> str:
    return f"""'{vocabulary.CURRENCY}' AS "CurrencyIsoCode",
        date_trunc('second', {created}) AS "CreatedDate",
        date_trunc('second', {changed}) AS "LastModifiedDate",
        date_trunc('second', {changed}) AS "SystemModstamp" """


def _in_words(text: str, words: list[str]) -> str:
    """SQL that writes a typed place as the vocabulary does."""
    listed = ", ".join("('" + word.replace("'", "''") + "')" for word in words)
    found = f"SELECT word FROM (VALUES {listed}) AS known (word) WHERE lower(word) = lower(trim({text}))"
    return f"coalesce(({found}), {text})"


_COUNTRIES = [country for country, _, _ in vocabulary.COUNTRIES]
_CITIES = [city for _, _, cities in vocabulary.COUNTRIES for city in cities]
_DISCOUNT = f"(20 + 5 * {_drawn('account', 2, 3)})::numeric(5, 2)"
_SALES = f"""(
    SELECT orders.*, orders.order_id / {ORDERS_PER_OPPORTUNITY} AS number, account, discount,
        status = 'returned' AND mod(orders.order_id / {ORDERS_PER_OPPORTUNITY}, 2) = 0 AS deleted
    FROM shop.orders
    CROSS JOIN LATERAL (
        SELECT (customer_id - 1) / {CUSTOMERS_PER_ACCOUNT} + 1 AS account FROM shop.customers
        WHERE customer_id <= orders.customer_id AND mod(customer_id, {CUSTOMERS_PER_ACCOUNT}) = 1
        ORDER BY customer_id DESC LIMIT 1
    ) AS buyer
    CROSS JOIN LATERAL (SELECT {_DISCOUNT} AS discount) AS terms
    WHERE mod(orders.order_id, {ORDERS_PER_OPPORTUNITY}) = 0
)"""
_LINES = f"""
    SELECT item.*, pieces, price, pieces * price AS total
    FROM shop.order_items AS item
    CROSS JOIN LATERAL (
        SELECT (item.quantity * (ARRAY[6, 12, 24])[1 + {_drawn("item.order_item_id", 3, 3)}])::numeric AS pieces,
            round(item.unit_price * (100 - sale.discount) / 100, 2) AS price
    ) AS terms
    WHERE item.order_id = sale.order_id
"""

_ACCOUNT = f"""
    SELECT {_id("001", f"account + CASE WHEN copied THEN {DUPLICATES_FROM} ELSE 0 END")} AS "Id",
        merged AS "IsDeleted",
        CASE WHEN merged THEN {_id("001", "account")} END AS "MasterRecordId",
        CASE WHEN copied THEN upper(name) ELSE name END AS "Name",
        'Customer - Channel' AS "Type",
        place AS "BillingCity",
        land AS "BillingCountry",
        json_build_object('city', place, 'country', land, 'postalCode', NULL, 'state', NULL, 'street', NULL)
            AS "BillingAddress",
        CASE WHEN {_drawn("account", 4, 10)} > 0 THEN 'https://www.' || domain END AS "Website",
        CASE WHEN way < 12 THEN CASE WHEN way < 3 THEN initcap(email) ELSE trim(email) END
            WHEN way < 18 THEN 'info@' || domain END AS "Contact_Email__c",
        {_DISCOUNT} AS "Wholesale_Discount__c",
        {_id(OWNER, _drawn("account", 5, 4) + " + 1")} AS "OwnerId",
        {_dates("created_at", "updated_at")}
    FROM shop.customers
    CROSS JOIN LATERAL (SELECT (customer_id - 1) / {CUSTOMERS_PER_ACCOUNT} + 1 AS account) AS numbered
    CROSS JOIN LATERAL (
        SELECT last_name || (ARRAY[' Pet Supplies', ' Pets & Co', ' Animal House', ' "Happy Paws"', ' Zoo'])
                [1 + {_drawn("account", 6, 5)}] AS name,
            'petshop-' || account || '.example' AS domain,
            {_drawn("account", 7, 20)} AS way,
            {_in_words("city", _CITIES)} AS place,
            {_in_words("country", _COUNTRIES)} AS land
    ) AS described
    CROSS JOIN (VALUES (FALSE), (TRUE)) AS copies (copied)
    CROSS JOIN LATERAL (SELECT copied AND updated_at > created_at AS merged) AS state
    WHERE mod(customer_id, {CUSTOMERS_PER_ACCOUNT}) = 1 AND (NOT copied OR mod(account, {ACCOUNTS_PER_DUPLICATE}) = 7)
"""

_OPPORTUNITY = f"""
    SELECT {_id("006", "number")} AS "Id",
        deleted AS "IsDeleted",
        {_id("001", "account")} AS "AccountId",
        'Restocking ' || number AS "Name",
        stage AS "StageName",
        (SELECT sum(total) FROM ({_LINES}) AS line)::numeric(18, 2) AS "Amount",
        probability::numeric AS "Probability",
        CASE WHEN closed THEN updated_at::date ELSE (ordered_at + interval '30 days')::date END AS "CloseDate",
        closed AS "IsClosed",
        stage = 'Closed Won' AS "IsWon",
        {_id(OWNER, _drawn("account", 5, 4) + " + 1")} AS "OwnerId",
        {_dates("ordered_at", "updated_at")}
    FROM {_SALES} AS sale
    JOIN (VALUES ('placed', 'Qualification', 10, FALSE), ('paid', 'Proposal/Price Quote', 60, FALSE),
        ('shipped', 'Negotiation/Review', 80, FALSE), ('delivered', 'Closed Won', 100, TRUE),
        ('returned', 'Closed Won', 100, TRUE), ('cancelled', 'Closed Lost', 0, TRUE))
        AS stages (status, stage, probability, closed) USING (status)
"""

_LINE_ITEM = f"""
    SELECT {_id("00k", "line.order_item_id")} AS "Id",
        deleted AS "IsDeleted",
        {_id("006", "number")} AS "OpportunityId",
        {_id("01t", "line.product_id")} AS "Product2Id",
        line.pieces AS "Quantity",
        line.price AS "UnitPrice",
        line.unit_price AS "ListPrice",
        line.total AS "TotalPrice",
        {_dates("ordered_at", "greatest(line.updated_at, CASE WHEN deleted THEN sale.updated_at END)")}
    FROM {_SALES} AS sale CROSS JOIN LATERAL ({_LINES}) AS line
"""

_PRODUCT = f"""
    SELECT {_id("01t", "product_id")} AS "Id",
        FALSE AS "IsDeleted",
        name AS "Name",
        sku AS "ProductCode",
        category AS "Family",
        active AS "IsActive",
        unit_cost AS "Cost__c",
        {_dates("created_at", "updated_at")}
    FROM shop.products
"""

RELATIONS = {
    "Account": _ACCOUNT,
    "Opportunity": _OPPORTUNITY,
    "OpportunityLineItem": _LINE_ITEM,
    "Product2": _PRODUCT,
}
"""SQL by object: one column a field, in the type that the field has. Constants of the program only; no
parameter, and no `%`, which would begin one."""
