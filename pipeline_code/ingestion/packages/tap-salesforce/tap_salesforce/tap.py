"""The tap: settings, discovery, command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import headwater_contracts
from headwater_contracts.files import ROOT_VARIABLE
from headwater_tap.announced import POSITIONS_FILE, REPLACES, AnnouncingTap
from headwater_tap.calls import Retries, ServiceError
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter

from tap_salesforce.api import RefusedError, Salesforce
from tap_salesforce.columns import KEY, REPLICATION_KEY, columns_of, left_out
from tap_salesforce.login import Credentials
from tap_salesforce.stream import SalesforceStream

STREAMS = {
    "salesforce_accounts": "Account",
    "salesforce_opportunities": "Opportunity",
    "salesforce_opportunity_line_items": "OpportunityLineItem",
    "salesforce_products": "Product2",
}
"""Stream -> object, when the setting `objects` names none."""


class TapSalesforce(AnnouncingTap):
    """Replicates objects of one Salesforce organisation."""

    name = "tap-salesforce"
    package_name = "tap-headwater-salesforce"
    dynamic_catalog = True
    message_writer_class = MsgSpecWriter

    config_jsonschema = th.PropertiesList(
        th.Property("login_url", th.StringType, required=True, description="https://<domain>.my.salesforce.com"),
        th.Property("client_id", th.StringType, required=True, description="The connected app's consumer key."),
        th.Property(
            "client_secret", th.StringType, secret=True, description="The connected app's secret; or else private_key."
        ),
        th.Property(
            "private_key",
            th.StringType,
            secret=True,
            description="PEM of the RSA key whose certificate the connected app has; signs the login of `username`.",
        ),
        th.Property("username", th.StringType, description="The user that private_key logs in as."),
        th.Property(
            "audience",
            th.StringType,
            description="Whom private_key's tokens are for; unset: login_url. Sandboxes: https://test.salesforce.com.",
        ),
        th.Property("api_version", th.StringType, default="62.0", description="Version of the API, pinned."),
        th.Property(
            "objects",
            th.ObjectType(additional_properties=th.StringType),
            description="What is replicated: {stream: object}. Unset: accounts, opportunities, line items, products.",
        ),
        th.Property("start_date", th.DateTimeType, description="The first run reads changes from here on; unset: all."),
        th.Property(
            "settle_seconds",
            th.IntegerType,
            default=5,
            description="How far behind the service's clock a run ends: a second that has begun must be over.",
        ),
        th.Property(
            "overlap_seconds",
            th.IntegerType,
            default=600,
            description="How far before the last run's end a run begins, for changes that committed late.",
        ),
        th.Property(
            "bulk_threshold",
            th.IntegerType,
            default=20_000,
            description="From this number of rows on a query job reads them; below, pages of the REST API do.",
        ),
        th.Property("bulk_poll_seconds", th.NumberType, default=2, description="First wait for a query job."),
        th.Property("bulk_timeout_seconds", th.NumberType, default=7200, description="Longest wait for a query job."),
        th.Property("page_rows", th.IntegerType, default=2_000, description="Rows a page: 200 to 2000."),
        th.Property(
            "api_limit_share",
            th.NumberType,
            default=0.8,
            description="Share of the organisation's daily API requests at whose use the tap leaves off, 0 to 1.",
        ),
        th.Property("attempts", th.IntegerType, default=6, description="Attempts of a call, with growing waits."),
        th.Property("first_wait_seconds", th.NumberType, default=1, description="Wait after the first failed attempt."),
        th.Property("timeout_seconds", th.NumberType, default=150, description="Longest silence of the service."),
        REPLACES,
        POSITIONS_FILE,
    ).to_dict()

    @cached_property
    def api(self) -> Salesforce:
        """The organisation, one session for discovery and all streams."""
        config = self.config
        return Salesforce(
            Credentials.from_config(config),
            version=config["api_version"],
            share=float(config["api_limit_share"]),
            page_rows=config["page_rows"],
            retries=Retries(config["attempts"], float(config["first_wait_seconds"])),
            timeout_s=float(config["timeout_seconds"]),
            logger=self.logger,
        )

    def discover_streams(self) -> Sequence[SalesforceStream]:
        """Return one stream for each object that the user may see, with the fields that it may see.

        What it may not see, though settings or contract name it, is left out, and the log says so.
        """
        objects = self.config.get("objects")
        wanted = STREAMS if objects is None else objects
        streams = [self._stream(name, entity) for name, entity in wanted.items()]
        found = [stream for stream in streams if stream is not None]
        if not found:
            raise ServiceError(
                f"Salesforce: the user may see none of the objects {sorted(wanted.values())}. Grant Read on them to "
                "the user that the connected app runs as."
            )
        return found

    def _stream(self, name: str, entity: str) -> SalesforceStream | None:
        try:
            described = self.api.describe(entity)
        except RefusedError as error:
            if error.code not in {"NOT_FOUND", "INVALID_TYPE", "INSUFFICIENT_ACCESS"}:
                raise
            self.logger.error(
                "%s: object %s is left out: it does not exist, or the user may not see it. Grant Read on it.",
                name,
                entity,
            )
            return None
        columns = columns_of(described)
        visible = {each.name for each in columns}
        if missing := {KEY, REPLICATION_KEY} - visible:
            raise ServiceError(
                f"Salesforce: object {entity} has no {sorted(missing)}: it can't be replicated by changes"
            )
        if other := left_out(described):
            self.logger.info("%s: compound fields and files of %s are left out: %s", name, entity, ", ".join(other))
        for field in sorted(_expected(name) - visible):
            self.logger.warning(
                "%s: field %s.%s of the contract is left out: the user may not see it. Grant Read on the field, or "
                "take it out of the contract.",
                name, entity, field,
            )  # fmt: skip
        return SalesforceStream(self, self.api, name, entity, columns)


def _expected(stream: str) -> set[str]:
    """Return the fields that the stream's contract names; none where there are no contracts."""
    folder = os.environ.get(ROOT_VARIABLE)
    contract = headwater_contracts.find(Path(folder), stream) if folder else None
    return set() if contract is None else set(contract.columns) - {"_sdc_deleted_at"}


if __name__ == "__main__":
    TapSalesforce.cli()
