"""Deployments, StatefulSets, Jobs, CronJobs and service accounts, for every component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.connections import Placement
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container, config_hash, pod_template

# A first start pulls its image and shares two cores with everything else that starts.
PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class Volume:
    """A StatefulSet's claim: its name (that of the container's mount) and size."""

    size: str
    name: str = "data"


def metadata(name: str, identity: Identity) -> k8s.meta.v1.ObjectMetaArgs:
    """Return the metadata of an object of the workload, under a fixed name."""
    return k8s.meta.v1.ObjectMetaArgs(name=name, namespace=identity.namespace, labels=identity.labels)


def service_account(name: str, identity: Identity, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Create a service account whose token no pod gets unless it asks; return its name."""
    account = k8s.core.v1.ServiceAccount(
        f"{name}-account", metadata=metadata(name, identity), automount_service_account_token=False, opts=opts
    )
    return account.metadata.name


def secret(
    name: str, identity: Identity, values: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions
) -> k8s.core.v1.Secret:
    """Create an Opaque Secret of that name; every value is a Pulumi secret, whatever the caller gave."""
    return k8s.core.v1.Secret(
        f"{name}-secret",
        metadata=metadata(name, identity),
        type="Opaque",
        string_data={key: pulumi.Output.secret(value) for key, value in values.items()},
        opts=opts,
    )


def secrets_hash(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """Return a hash that changes with any of the secret values and tells nothing about them (190 bits in each)."""
    hashed = pulumi.Output.from_input(dict(values)).apply(lambda known: config_hash(sorted(known.items())))
    return pulumi.Output.unsecret(hashed)


def config_map(
    name: str, identity: Identity, data: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions
) -> k8s.core.v1.ConfigMap:
    """Create a ConfigMap under a fixed name; it is updated in place, and pods roll by their configuration hash."""
    return k8s.core.v1.ConfigMap(f"{name}-config", metadata=metadata(name, identity), data=dict(data), opts=opts)


def deployment(
    name: str,
    identity: Identity,
    container: Container,
    opts: pulumi.ResourceOptions,
    *,
    service_account: pulumi.Input[str],
    configuration: pulumi.Input[str] | None = None,
    automount_token: bool = False,
    recreate: bool = False,
    grace_seconds: int = 30,
    replicas: int | None = 1,
    placement: Placement | None = None,
) -> k8s.apps.v1.Deployment:
    """Create a Deployment; Pulumi waits until it is ready.

    recreate: stop the old pod first, for what must not run twice or has no memory for two.
    replicas: None where an autoscaler decides; a number here would undo its choice at each change.
    """
    return k8s.apps.v1.Deployment(
        f"{name}-deployment",
        metadata=metadata(name, identity),
        spec=k8s.apps.v1.DeploymentSpecArgs(
            replicas=replicas,
            revision_history_limit=3,
            progress_deadline_seconds=PATIENCE_SECONDS,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=identity.selector),
            strategy=k8s.apps.v1.DeploymentStrategyArgs(type="Recreate" if recreate else "RollingUpdate"),
            template=pod_template(
                identity,
                container,
                service_account=service_account,
                configuration=configuration,
                automount_token=automount_token,
                grace_seconds=grace_seconds,
                placement=placement,
            ),
        ),
        opts=_with_timeouts(opts),
    )


def stateful_set(
    name: str,
    identity: Identity,
    container: Container,
    volume: Volume,
    opts: pulumi.ResourceOptions,
    *,
    service_account: pulumi.Input[str],
    configuration: pulumi.Input[str] | None = None,
    grace_seconds: int = 60,
) -> k8s.apps.v1.StatefulSet:
    """Create a StatefulSet of one replica with one volume, which outlives it; Pulumi waits until it is ready."""
    return k8s.apps.v1.StatefulSet(
        f"{name}-statefulset",
        metadata=metadata(name, identity),
        spec=k8s.apps.v1.StatefulSetSpecArgs(
            replicas=1,
            service_name=name,
            revision_history_limit=3,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=identity.selector),
            # Whatever becomes of the StatefulSet, its data stays and the next one of that name takes it over.
            persistent_volume_claim_retention_policy=k8s.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicyArgs(
                when_deleted="Retain", when_scaled="Retain"
            ),
            template=pod_template(
                identity,
                container,
                service_account=service_account,
                configuration=configuration,
                grace_seconds=grace_seconds,
            ),
            volume_claim_templates=[
                k8s.core.v1.PersistentVolumeClaimArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(name=volume.name, labels=identity.selector),
                    spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
                        access_modes=["ReadWriteOnce"],
                        resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": volume.size}),
                    ),
                )
            ],
        ),
        opts=_with_timeouts(opts),
    )


def job(
    name: str,
    identity: Identity,
    container: Container,
    opts: pulumi.ResourceOptions,
    *,
    service_account: pulumi.Input[str],
    configuration: pulumi.Input[str] | None = None,
    new_pod_each_try: bool = False,
) -> k8s.batch.v1.Job:
    """Create a Job that Pulumi waits for; a change of its pod runs it anew.

    new_pod_each_try: for what the cluster gives a pod only as it is made, such as an identity; otherwise a container
    that failed starts again where it was, and no failed pods pile up.

    It retries beyond the time that Pulumi waits: what mends itself (a server still starting) needs nobody, and after
    a time-out the next `pulumi up` waits on. It has no time to live: a Job that vanished would be a difference.
    """
    # A Job's pod can't be changed; under a fixed name the old Job has to go first.
    replace = pulumi.ResourceOptions(replace_on_changes=["spec"], delete_before_replace=True)
    return k8s.batch.v1.Job(
        f"{name}-job",
        metadata=metadata(name, identity),
        spec=k8s.batch.v1.JobSpecArgs(
            backoff_limit=20,
            template=pod_template(
                identity,
                container,
                service_account=service_account,
                configuration=configuration,
                restart_policy="Never" if new_pod_each_try else "OnFailure",
            ),
        ),
        opts=pulumi.ResourceOptions.merge(_with_timeouts(opts), replace),
    )


def cron_job(
    name: str,
    identity: Identity,
    container: Container,
    opts: pulumi.ResourceOptions,
    *,
    service_account: pulumi.Input[str],
    when: str | None = None,
    time_zone: str | None = None,
    alone: bool = True,
    late_seconds: int | None = None,
    retries: int = 0,
    longest_seconds: int | None = None,
    keep_seconds: int | None = None,
    automount_token: bool = False,
    placement: Placement | None = None,
) -> k8s.batch.v1.CronJob:
    """Create a CronJob.

    when: cron's five fields, in the time zone; None is a template that never starts by itself, of which Jobs are made.
    alone: not while the one before it runs. late_seconds: a start that was missed is made up for until then.
    retries: of a pod that failed. longest_seconds, keep_seconds: how long a Job may run, and stays once it has ended.
    """
    return k8s.batch.v1.CronJob(
        f"{name}-cronjob",
        metadata=metadata(name, identity),
        spec=k8s.batch.v1.CronJobSpecArgs(
            # Asked for by the API, and never used while it is suspended: once a year.
            schedule="0 0 1 1 *" if when is None else when,
            time_zone=time_zone,
            suspend=True if when is None else None,
            concurrency_policy="Forbid" if alone else None,
            starting_deadline_seconds=late_seconds,
            job_template=k8s.batch.v1.JobTemplateSpecArgs(
                metadata=k8s.meta.v1.ObjectMetaArgs(labels=identity.labels),
                spec=k8s.batch.v1.JobSpecArgs(
                    backoff_limit=retries,
                    active_deadline_seconds=longest_seconds,
                    ttl_seconds_after_finished=keep_seconds,
                    template=pod_template(
                        identity,
                        container,
                        service_account=service_account,
                        restart_policy="Never",
                        automount_token=automount_token,
                        placement=placement,
                    ),
                ),
            ),
        ),
        opts=opts,
    )


def _with_timeouts(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    limit = f"{PATIENCE_SECONDS}s"
    timeouts = pulumi.CustomTimeouts(create=limit, update=limit)
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(custom_timeouts=timeouts))
