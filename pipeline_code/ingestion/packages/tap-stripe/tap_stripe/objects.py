"""The objects that are replicated: their columns, and which events say that an object has changed.

Columns are those of API version 2026-08-26.dahlia, with the API's names; nested values are JSON text. A type with `!`
is never null.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

API_VERSION = "2026-08-26.dahlia"
DELETED_AT = "_sdc_deleted_at"
_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "json": {"type": "string"},
    "boolean": {"type": "boolean"},
    "bigint": {"type": "integer"},
    "double": {"type": "number"},
    "timestamptz": {"type": "string", "format": "date-time"},
}


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    plural: its name in URLs. updates: types of the events that tell of a change; deletion: the one of an end. The event
    holds the object itself, or one that names it in a field `singular`.
    """

    plural: str
    singular: str
    columns: Mapping[str, str]
    updates: tuple[str, ...] = ()
    deletion: str | None = None

    @property
    def stream(self) -> str:
        """Name of its stream."""
        return f"stripe_{self.plural}"

    def json_schema(self) -> dict[str, Any]:
        """Return the stream's schema."""
        properties = {name: _property(kind) for name, kind in self.columns.items()}
        if self.deletion is not None:
            properties[DELETED_AT] = _property("timestamptz")
        required = [name for name, kind in self.columns.items() if kind.endswith("!")]
        return {"type": "object", "properties": properties, "required": required}

    def record(self, body: Mapping[str, Any], deleted_at: int | None = None) -> dict[str, Any]:
        """Return an object's record. Fields that are not among the columns are left out."""
        record = {name: _value(kind, body.get(name)) for name, kind in self.columns.items()}
        if self.deletion is not None:
            record[DELETED_AT] = None if deleted_at is None else moment(deleted_at)
        return record


def moment(seconds: int) -> str:
    """Return a time of the API (seconds since 1970) as ISO 8601 in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _property(kind: str) -> dict[str, Any]:
    schema = dict(_SCHEMAS[kind.rstrip("!")])
    if not kind.endswith("!"):
        schema["type"] = [schema["type"], "null"]
    return schema


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind.startswith("timestamptz"):
        return moment(int(value))
    # An expanded field holds an object in the place of its identifier.
    return json.dumps(value, ensure_ascii=False, default=float) if isinstance(value, dict | list) else value


def _columns(text: str) -> dict[str, str]:
    """`name:type name:type` as a mapping."""
    return dict(each.split(":") for each in text.split())


CHARGES = Kind(
    "charges",
    "charge",
    _columns(
        "id:text! object:text! amount:bigint! amount_captured:bigint! amount_refunded:bigint! application:text "
        "application_fee:text application_fee_amount:bigint balance_transaction:text billing_details:json! "
        "calculated_statement_descriptor:text captured:boolean! created:timestamptz! currency:text! customer:text "
        "description:text disputed:boolean! failure_balance_transaction:text failure_code:text failure_message:text "
        "fraud_details:json livemode:boolean! metadata:json! on_behalf_of:text outcome:json paid:boolean! "
        "payment_intent:text payment_method:text payment_method_details:json presentment_details:json "
        "radar_options:json receipt_email:text receipt_number:text receipt_url:text refunded:boolean! review:text "
        "shipping:json source_transfer:text statement_descriptor:text statement_descriptor_suffix:text status:text! "
        "transfer:text transfer_data:json transfer_group:text"
    ),
    # Succeeded and failed too: a bank debit is pending for days.
    updates=(
        "charge.captured", "charge.expired", "charge.failed", "charge.refunded", "charge.succeeded", "charge.updated",
        "charge.dispute.created", "charge.dispute.closed", "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn", "charge.dispute.updated",
    ),
)  # fmt: skip
REFUNDS = Kind(
    "refunds",
    "refund",
    _columns(
        "id:text! object:text! amount:bigint! balance_transaction:text charge:text created:timestamptz! "
        "currency:text! customer:text customer_account:text description:text destination_details:json "
        "failure_balance_transaction:text failure_reason:text instructions_email:text metadata:json next_action:json "
        "payment_intent:text payment_method:text pending_reason:text presentment_details:json reason:text "
        "receipt_number:text source_transfer_reversal:text status:text transfer_reversal:text"
    ),
    updates=("refund.updated", "refund.failed", "charge.refund.updated"),
)
PAYOUTS = Kind(
    "payouts",
    "payout",
    _columns(
        "id:text! object:text! amount:bigint! application_fee:text application_fee_amount:bigint "
        "arrival_date:timestamptz! automatic:boolean! balance_transaction:text created:timestamptz! currency:text! "
        "description:text destination:text failure_balance_transaction:text failure_code:text failure_message:text "
        "livemode:boolean! metadata:json method:text! original_payout:text payout_method:text "
        "reconciliation_status:text! reversed_by:text source_type:text! statement_descriptor:text status:text! "
        "trace_id:json type:text!"
    ),
    updates=(
        "payout.canceled", "payout.failed", "payout.paid", "payout.reconciliation_completed", "payout.updated",
    ),
)  # fmt: skip
CUSTOMERS = Kind(
    "customers",
    "customer",
    _columns(
        "id:text! object:text! address:json balance:bigint business_name:text cash_balance:json created:timestamptz! "
        "currency:text customer_account:text default_source:text delinquent:boolean description:text discount:json "
        "email:text individual_name:text invoice_credit_balance:json invoice_prefix:text invoice_settings:json "
        "livemode:boolean! metadata:json name:text next_invoice_sequence:bigint phone:text preferred_locales:json "
        "shipping:json tax:json tax_exempt:text test_clock:text"
    ),
    updates=("customer.updated",),
    deletion="customer.deleted",
)
DISPUTES = Kind(
    "disputes",
    "dispute",
    _columns(
        "id:text! object:text! amount:bigint! balance_transactions:json! charge:text! created:timestamptz! "
        "currency:text! enhanced_eligibility_types:json! evidence:json! evidence_details:json! "
        "is_charge_refundable:boolean! livemode:boolean! metadata:json! payment_intent:text "
        "payment_method_details:json reason:text! status:text!"
    ),
    updates=(
        "charge.dispute.closed", "charge.dispute.funds_reinstated", "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
    ),
)  # fmt: skip
# They do not change, but for their status, which follows from available_on; there are no events about them.
BALANCE_TRANSACTIONS = Kind(
    "balance_transactions",
    "balance_transaction",
    _columns(
        "id:text! object:text! amount:bigint! available_on:timestamptz! balance_type:text! created:timestamptz! "
        "currency:text! description:text exchange_rate:double fee:bigint! fee_details:json! net:bigint! "
        "reporting_category:text! source:text status:text! type:text!"
    ),
)
KINDS = (CHARGES, REFUNDS, PAYOUTS, CUSTOMERS, DISPUTES, BALANCE_TRANSACTIONS)
