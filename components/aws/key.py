"""A KMS key with an alias that people recognise."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws import policies
from components.aws.account import Account, tags

WAIT_DAYS = 30
SHORTEST_WAIT_DAYS = 7


class Key(pulumi.ComponentResource):
    """The key, rotated every year; `arn` is what encrypts with it. What it encrypts is lost without it."""

    def __init__(
        self,
        name: str,
        account: Account,
        description: str,
        opts: pulumi.ResourceOptions | None = None,
        *,
        log_groups: tuple[str, ...] = (),
        alarms: bool = False,
    ) -> None:
        super().__init__("headwater:aws:Key", name, None, opts)
        child = account.child(self, holds_data=True)
        key = aws.kms.Key(
            name,
            description=description,
            enable_key_rotation=True,
            deletion_window_in_days=WAIT_DAYS if account.settings.deletion_protection else SHORTEST_WAIT_DAYS,
            policy=policies.key_policy(account.settings.account, account.region, log_groups, alarms=alarms),
            tags=tags(name),
            opts=child,
        )
        aws.kms.Alias(
            f"{name}-alias", name=f"alias/{account.name(name)}", target_key_id=key.key_id, opts=account.child(self)
        )
        self.arn: pulumi.Output[str] = key.arn
        self.register_outputs({"arn": key.arn})
