"""The infrastructure that every stack has, and the choice of who makes it (decision 0118)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pulumi

from components import connections, settings
from components.connections import Metrics, Platform
from components.foundation.one_machine import Databases, OneMachine, Pages, Storage
from components.images.images import Images, ImagesArgs
from components.kubernetes.network import namespace
from components.secrets import Credentials


@dataclass(frozen=True)
class Foundation:
    """The parts that the pipeline is built on; a consumer takes a connection from them, never a component.

    platform: namespace, images, credentials and sizes. in_cluster: the options of whatever runs in the cluster.
    database: `connection(service)`. storage: `store(consumer)`. metrics: None where nobody watches.
    finish: makes what comes last, once the pages are there, and returns the stack's outputs about its account.
    """

    platform: Platform
    in_cluster: pulumi.ResourceOptions
    database: Databases
    storage: Storage
    catalog: connections.Catalog
    metrics: Metrics | None
    finish: Callable[[Pages], Mapping[str, pulumi.Input[object]]]


def make_foundation(stack: settings.Settings, credentials: Credentials, config: pulumi.Config) -> Foundation:
    """Return what the stack stands on: AWS's where its settings have an account, else one machine's.

    config: for the secrets of a catalog elsewhere.
    """
    maker = _maker(stack, credentials, config)
    in_cluster, exposure = maker.cluster(), stack.kubernetes.exposure
    platform = Platform(
        namespace=namespace(stack.kubernetes.namespace, in_cluster, kept=stack.keeps_volumes),
        image=Images("images", ImagesArgs(maker.registry(), stack.images)).reference,
        credentials=credentials,
        exposure=connections.Exposure(exposure.kind, exposure.ports.assigned(), balancer=maker.balancer),
        interruptible=maker.interruptible,
        sizes=stack.sizes,
    )
    database = maker.database(platform, in_cluster)
    storage = maker.storage(platform, in_cluster)
    return Foundation(
        platform=platform,
        in_cluster=in_cluster,
        database=database,
        storage=storage,
        catalog=maker.catalog(platform, database, storage, in_cluster),
        metrics=maker.metrics(),
        finish=lambda pages: maker.finish(platform, pages, in_cluster),
    )


def _maker(stack: settings.Settings, credentials: Credentials, config: pulumi.Config) -> OneMachine:
    if stack.aws is None:
        return OneMachine(stack, credentials, config)
    # Imported here: a stack without AWS needs neither its SDK nor its plugin.
    from components.foundation.on_aws import OnAws

    return OnAws(stack, stack.aws, credentials, config)
