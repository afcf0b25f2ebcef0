"""Calls that the provider makes and moto does not know: answered from what moto keeps, so that nothing is retried."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from moto.budgets.responses import BudgetsResponse

KEYS = ("NotificationType", "ComparisonOperator", "Threshold")
Tags = dict[str, dict[str, str]]


def subscribers(self: BudgetsResponse) -> str:
    """DescribeSubscribersForNotification: whom a budget's notification goes to."""
    budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
    asked = self._get_param("Notification")
    found = [each.subscribers for each in budget.notifications if all(each.details[key] == asked[key] for key in KEYS)]
    return json.dumps({"Subscribers": found[0] if found else []})


def tagging(tags: Tags) -> Mapping[str, Callable[[BudgetsResponse], str]]:
    """Return the calls about a budget's tags, which are kept in `tags`, by ARN."""
    create = BudgetsResponse.create_budget

    def keep(self: BudgetsResponse, arn: str) -> None:
        given = self._get_param("ResourceTags") or []
        tags[arn] = {**tags.get(arn, {}), **{each["Key"]: each["Value"] for each in given}}

    def create_budget(self: BudgetsResponse) -> str:
        keep(self, f"arn:aws:budgets::{self._get_param('AccountId')}:budget/{self._get_param('Budget')['BudgetName']}")
        return create(self)

    def tag_resource(self: BudgetsResponse) -> str:
        keep(self, self._get_param("ResourceARN"))
        return "{}"

    def untag_resource(self: BudgetsResponse) -> str:
        kept = tags.get(self._get_param("ResourceARN"), {})
        for key in self._get_param("ResourceTagKeys"):
            kept.pop(key, None)
        return "{}"

    def list_tags_for_resource(self: BudgetsResponse) -> str:
        kept = tags.get(self._get_param("ResourceARN"), {})
        return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in kept.items()]})

    calls = (create_budget, tag_resource, untag_resource, list_tags_for_resource)
    return {each.__name__: each for each in calls}


def fill(patch: pytest.MonkeyPatch) -> None:
    """Give moto the calls, for as long as the patch lasts."""
    for name, answer in {"describe_subscribers_for_notification": subscribers, **tagging({})}.items():
        patch.setattr(BudgetsResponse, name, answer, raising=False)
