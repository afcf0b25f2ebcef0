"""A monthly budget for all resources with the stack's tag, and who gets an e-mail when it is used up."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws.account import STACK_TAG, Account, tags
from components.settings.aws import Budget

# Share of the limit in percent, and whether it is what was spent or what the month will come to.
ALARMS = ((80, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED"))


class MonthlyBudget(pulumi.ComponentResource):
    """The budget. The stack's tag counts once it is activated as a cost allocation tag in Billing."""

    def __init__(
        self, name: str, account: Account, configured: Budget, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("headwater:aws:Budget", name, None, opts)
        aws.budgets.Budget(
            "monthly-budget",
            name=account.name("monthly"),
            account_id=account.settings.account,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(configured.monthly_usd),
            limit_unit="USD",
            cost_filters=[
                aws.budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{STACK_TAG}${account.stack}"])
            ],
            notifications=[
                aws.budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    threshold=threshold,
                    threshold_type="PERCENTAGE",
                    notification_type=kind,
                    subscriber_email_addresses=list(configured.emails),
                )
                for threshold, kind in ALARMS
            ],
            tags=tags("budget"),
            opts=account.child(self),
        )
        self.register_outputs({})
