"""How many workers there are, and how many may stop at once."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from components import settings
from components.kubernetes import workloads
from components.kubernetes.labels import Identity

# A query's tail keeps few cores busy: a worker leaves only after five quiet minutes, one at a time.
QUIET_SECONDS = 300


def metrics(chosen: settings.TrinoWorkers) -> list[k8s.autoscaling.v2.MetricSpecArgs]:
    """Return what the number of workers follows: cores in use, and queued queries where something counts them."""
    cpu = k8s.autoscaling.v2.MetricSpecArgs(
        type="Resource",
        resource=k8s.autoscaling.v2.ResourceMetricSourceArgs(
            name="cpu",
            target=k8s.autoscaling.v2.MetricTargetArgs(type="Utilization", average_utilization=chosen.cpu_target),
        ),
    )
    if chosen.queued_metric is None:
        return [cpu]
    queued = k8s.autoscaling.v2.MetricSpecArgs(
        type="External",
        external=k8s.autoscaling.v2.ExternalMetricSourceArgs(
            metric=k8s.autoscaling.v2.MetricIdentifierArgs(name=chosen.queued_metric),
            target=k8s.autoscaling.v2.MetricTargetArgs(
                type="AverageValue", average_value=str(chosen.queued_per_worker)
            ),
        ),
    )
    return [cpu, queued]


def autoscaler(
    name: str,
    identity: Identity,
    chosen: settings.TrinoWorkers,
    target: k8s.apps.v1.Deployment,
    opts: pulumi.ResourceOptions,
) -> k8s.autoscaling.v2.HorizontalPodAutoscaler:
    """Create the autoscaler of a Deployment: quick to add workers, slow to take them away."""
    return k8s.autoscaling.v2.HorizontalPodAutoscaler(
        f"{name}-autoscaler",
        metadata=workloads.metadata(name, identity),
        spec=k8s.autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
            scale_target_ref=k8s.autoscaling.v2.CrossVersionObjectReferenceArgs(
                api_version="apps/v1", kind="Deployment", name=target.metadata.name
            ),
            min_replicas=chosen.minimum,
            max_replicas=chosen.maximum,
            metrics=metrics(chosen),
            behavior=k8s.autoscaling.v2.HorizontalPodAutoscalerBehaviorArgs(
                scale_up=k8s.autoscaling.v2.HPAScalingRulesArgs(
                    stabilization_window_seconds=30,
                    policies=[k8s.autoscaling.v2.HPAScalingPolicyArgs(type="Percent", value=100, period_seconds=60)],
                ),
                scale_down=k8s.autoscaling.v2.HPAScalingRulesArgs(
                    stabilization_window_seconds=QUIET_SECONDS,
                    policies=[k8s.autoscaling.v2.HPAScalingPolicyArgs(type="Pods", value=1, period_seconds=60)],
                ),
            ),
        ),
        opts=opts,
    )


def disruption_budget(name: str, identity: Identity, opts: pulumi.ResourceOptions) -> k8s.policy.v1.PodDisruptionBudget:
    """Create the budget by which nodes are emptied one worker at a time."""
    return k8s.policy.v1.PodDisruptionBudget(
        f"{name}-budget",
        metadata=workloads.metadata(name, identity),
        spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
            max_unavailable=1,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=identity.selector),
        ),
        opts=opts,
    )
