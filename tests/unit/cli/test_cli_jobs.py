"""One-off Jobs: which stay after a command, and which are deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from cli.platform import jobs
from cli.platform.kube import Kube
from localstack.console import Step
from localstack.errors import LocalError, StepFailed

TEMPLATE = {"spec": {"template": {"spec": {"containers": [{"name": "ingestion"}]}}}}
CRONJOB = {"metadata": {"name": "ingestion", "namespace": "headwater"}, "spec": {"jobTemplate": TEMPLATE}}
STATUS = {"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}
JOB = jobs.from_cronjob(CRONJOB, "ingestion-1", ["headwater-ingest"], [])


@dataclass
class Kubectl:
    """What is asked of kubectl; `failing` is what happens where logs are read."""

    failing: BaseException | None = None
    said: list[tuple[str, ...]] = field(default_factory=list)

    def get(self, kinds: str, _namespace: str, *_more: str) -> list[dict[str, Any]]:
        return [CRONJOB] if kinds.startswith("cronjob/") else [{"metadata": {"name": "pod"}, "status": STATUS}]

    def output(self, *words: str, input: str | None = None) -> str:
        self.said.append(words)
        return self.logs() if words[0] == "logs" else ""

    def call(self, *_words: str) -> int:
        self.logs()
        return 0

    def logs(self) -> str:
        if self.failing is not None:
            raise self.failing
        return "log"

    def argv(self, *words: str) -> list[str]:
        return list(words)

    def environment(self) -> dict[str, str]:
        return {}

    def run(self, _argv: Sequence[str], **_options: Any) -> None:
        """Play the step that shows the log."""
        self.logs()

    @property
    def deleted(self) -> bool:
        return any(words[:2] == ("delete", "job") for words in self.said)


def capture(kubectl: Kubectl) -> None:
    assert jobs.capture(cast("Kube", kubectl), JOB) == (0, "log")


def follow(kubectl: Kubectl) -> None:
    assert jobs.follow(cast("Kube", kubectl), JOB, cast("Step", kubectl)) == 0


def run(kubectl: Kubectl) -> None:
    assert jobs.run(cast("Kube", kubectl), "headwater", "ingestion", ["meltano"], ["run"]) == 0


@pytest.mark.parametrize(
    ("way", "failing", "deleted"),
    [
        (capture, None, True),
        (capture, LocalError("no log"), True),
        (capture, StepFailed("x", "y"), True),
        (run, None, False),
        (run, KeyboardInterrupt(), True),
        (run, LocalError("no pod"), True),
        (follow, None, False),
        (follow, KeyboardInterrupt(), True),
        (follow, LocalError("no pod"), True),
        # The log broke off, and the load goes on.
        (follow, StepFailed("Load", "connection reset"), False),
    ],
)
def test_a_job_is_deleted_where_nobody_needs_it(
    way: Callable[[Kubectl], None], failing: BaseException | None, deleted: bool
) -> None:
    """A Job with a password in it that stays; or a load that is killed because its log could not be shown."""
    kubectl = Kubectl(failing)
    if failing is None:
        way(kubectl)
    else:
        with pytest.raises(type(failing)):
            way(kubectl)
    assert kubectl.deleted == deleted
