"""The tap: settings, streams, command line."""

from __future__ import annotations

from collections.abc import Sequence

from headwater_tap.announced import POSITIONS_FILE, REPLACES, AnnouncingTap
from headwater_tap.calls import Retries
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter

from tap_stripe.api import StripeApi
from tap_stripe.objects import KINDS
from tap_stripe.stream import StripeStream

API_URL = "https://api.stripe.com"


class TapStripe(AnnouncingTap):
    """Replicates payments of one Stripe account."""

    name = "tap-stripe"
    package_name = "tap-headwater-stripe"
    message_writer_class = MsgSpecWriter

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType,
            required=True,
            secret=True,
            description="A restricted key (rk_…) with read permission for the streams and for events.",
        ),
        th.Property("api_url", th.StringType, default=API_URL, description="Where the API is."),
        th.Property("start_date", th.DateTimeType, description="The first read leaves out objects made before."),
        th.Property(
            "expand",
            th.ArrayType(th.StringType),
            default=[],
            description="Fields that hold an object in place of its identifier, <stream>.<field>.",
        ),
        th.Property(
            "settle_seconds",
            th.IntegerType,
            default=10,
            description="Objects younger than this are left to the next run: they may not be listed yet.",
        ),
        th.Property(
            "overlap_seconds",
            th.IntegerType,
            default=600,
            description="How far before the last run's end a run looks for what the API has shown late.",
        ),
        th.Property("attempts", th.IntegerType, default=6, description="How often a call is tried."),
        th.Property("first_wait_seconds", th.NumberType, default=1.0, description="Wait before the second attempt."),
        th.Property("timeout_seconds", th.NumberType, default=60.0, description="How long a call may give no byte."),
        REPLACES,
        POSITIONS_FILE,
    ).to_dict()

    def discover_streams(self) -> Sequence[StripeStream]:
        """Return one stream for each kind of object. Raises ValueError for an `expand` of another one."""
        streams = {kind.stream for kind in KINDS}
        for each in self.config["expand"]:
            if each.partition(".")[0] not in streams or not each.partition(".")[2]:
                raise ValueError(f"setting expand: {each!r} is no <stream>.<field> of {', '.join(sorted(streams))}")
        retries = Retries(attempts=self.config["attempts"], first_wait_s=float(self.config["first_wait_seconds"]))
        api = StripeApi(
            url if (url := self.config["api_url"]) else API_URL,  # Meltano sends an unset variable as empty text
            self.config["api_key"],
            retries,
            timeout_s=float(self.config["timeout_seconds"]),
            logger=self.logger,
        )
        return [StripeStream(self, kind, api) for kind in KINDS]


if __name__ == "__main__":
    TapStripe.cli()
