"""Which pods a stack on EKS runs, by its settings, and whether its node pools hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from components.settings import nodes
from components.settings.base import PROJECT
from components.settings.packing import Pods, Pool, counted, for_others, pack
from components.settings.trino import TrinoWorkers

if TYPE_CHECKING:
    from components.settings.stack import Settings

# Dagster starts so many at once (max_concurrent_runs in its image's dagster.yaml).
RUNS = 4
ON_SPOT = {nodes.CAPACITY: nodes.TAINTED}


def pods(settings: Settings) -> Iterator[tuple[str, Pods]]:
    """Yield of each workload where its size is set, and its pods: as many as may run at once.

    A test holds them against the manifests of stacks; without the check of `placement_contradictions`, `pulumi up`
    waits for pods that find no node.
    """
    workers, trino = settings.trino.workers, settings.trino
    yield "aws.cluster", Pods("metrics-server", nodes.METRICS_SERVER, most=nodes.METRICS_SERVERS)
    for name, (size, most) in _plain(settings).items():
        room, apart = nodes.asked(getattr(settings.sizes, size)), name == "superset" and most > 1
        yield f"sizes.{size}", Pods(name, room, most=most, apart=apart)
    room, ingestion = nodes.asked(settings.sizes.ingestion), settings.ingestion
    loads = ingestion.loads_at_once * (1 + ingestion.reader_pods)
    spot = frozenset(ON_SPOT)
    yield "sizes.ingestion", Pods("ingestion", room, most=loads, selector=ON_SPOT, taints=spot)
    yield "trino", Pods("trino", nodes.asked(trino.size))
    if workers.maximum > 0:
        room, own = nodes.asked(workers.size), bool(workers.node_selector or workers.tolerations)
        selector = workers.node_selector if own else ON_SPOT
        taints = _tolerated(workers) if own else spot
        made = Pods("trino-worker", room, 0, workers.maximum, selector=selector, taints=taints, apart=True)
        yield "trino.workers", made


def _tolerated(workers: TrinoWorkers) -> frozenset[str]:
    parts = [(*each.partition(":")[0].partition("="), each.partition(":")[2]) for each in workers.tolerations]
    return nodes.tolerated((key, value if equals else None, effect or None) for key, equals, value, effect in parts)


def _plain(settings: Settings) -> Mapping[str, tuple[str, int]]:
    """Return the workloads that go to no nodes of their own: name → its size, and how many pods it has at most."""
    dashboards, example, catalog = settings.dashboards, settings.example.enabled, settings.catalog
    minio, in_cluster = settings.storage.kind == "minio", settings.database.kind == "in-cluster"
    sleeps = settings.aws is not None and settings.aws.schedule is not None
    found = {
        "dagster run": ("dagster_run", RUNS),
        "dagster-code": ("dagster_code", 1),
        "dagster-daemon": ("dagster_daemon", 1),
        "dagster-webserver": ("dagster_webserver", 1),
        "superset": ("superset", dashboards.servers),
        "superset-init": ("superset_init", 1),
        "superset-worker": ("superset_worker", min(1, dashboards.workers)),
        "cache": ("cache", int(dashboards.cache.kind != "none")),
        "catalog": ("catalog", int(catalog.kind == "rest" and catalog.uri is None)),
        "minio": ("minio", int(minio)),
        "minio-init": ("minio_init", int(minio)),
        "postgres": ("postgres", int(in_cluster)),
        "postgres-init": ("postgres_init", int(in_cluster)),
        "database-init": ("database_init", int(not in_cluster)),
        "sleep": ("sleep", int(sleeps)),
        "wake": ("sleep", int(sleeps)),
        "shop": ("shop", int(example)),
        "shop-init": ("postgres_init", int(example)),
        "shop-seed": ("shop_generator", int(example)),
        "shop-live": ("shop_generator", int(example)),
        "saas": ("stand_ins", int(example and bool(settings.services.stand_ins))),
    }
    return {name: each for name, each in found.items() if each[1] > 0}


def placement_contradictions(settings: Settings) -> Iterator[tuple[str, object, str]]:
    """Yield path, value and explanation of what makes a pod wait for a node for ever, and `pulumi up` with it."""
    if settings.kubernetes.kind != "eks" or settings.aws is None:
        return
    agents = nodes.NOTHING if settings.observability.kind == "none" else nodes.AGENTS
    pools = _pools(settings)
    placed = [(path, each, _pool(each, pools)) for path, each in pods(settings)]
    nowhere = [each for _, each, pool in placed if pool is None and not for_others(each, pools)]
    for each in nowhere:
        # Only workers choose their nodes by settings; all others go where a pool is.
        yield (
            "trino.workers.node_selector",
            dict(each.selector),
            f"{each.name} finds no node with it and trino.workers.tolerations: the stack's nodes on demand have label "
            f"{nodes.CAPACITY}: on-demand and no taint, those on spot {nodes.CAPACITY}: {nodes.TAINTED} and taint "
            f"{nodes.CAPACITY}={nodes.TAINTED}:{nodes.EFFECT}, with architectures "
            f"{', '.join(pools[0].architectures)}. For spot leave out both settings; for nodes of your own name a "
            "label that only they have",
        )
    alone = {path: (each, pool) for path, each, pool in placed if pool is not None and not _holds(pool, each, agents)}
    for path, (each, pool) in alone.items():
        most = nodes.largest(nodes.instances(pool.processors(each), pool.cpu), pool.disk)
        yield (
            path,
            each.room.text(),
            f"such a pod fits on no node of pool {pool.name}: a node has at most {most.text()}, less {agents.text()} "
            f"of agents; lower it, or raise {_setting(pool)} ({pool.cpu}) or .disk ({pool.disk})",
        )
    if alone or nowhere:
        return
    layout = pack(
        [each for _, each, _ in placed for _ in range(each.most)], pools, agents, lambda n: n.cores + n.gib / 16
    )
    for pool in pools:
        mine = {each.name for _, each, chosen in placed if chosen == pool}
        waiting = [name for name in layout.waiting if name in mine]
        if waiting:
            yield (
                _setting(pool),
                pool.cpu,
                f"pool {pool.name} does not hold all pods that may run at once: without a node are "
                f"{counted(waiting)}; raise it, or lower what they ask for (sizes, trino) or how many there may be",
            )


def _pools(settings: Settings) -> Sequence[Pool]:
    """Return the pools, the one without a taint first: what tolerates a taint goes where it is sent."""
    if settings.aws is None:
        return ()
    made, region = settings.aws.cluster.nodes, settings.aws.region
    places = {
        "topology.kubernetes.io/region": frozenset([region]),
        "topology.kubernetes.io/zone": frozenset(region + zone for zone in settings.aws.network.zones),
    }
    kinds = (("on-demand", made.on_demand_cpu, frozenset[str]()), ("spot", made.spot_cpu, frozenset(ON_SPOT)))
    processors = tuple(made.architectures)
    known = {name: {**nodes.labels(f"{PROJECT}-{name}", name, processors), **places} for name, _, _ in kinds}
    return [
        Pool(name, known[name], taints, processors, cpu, made.disk, spot=bool(taints)) for name, cpu, taints in kinds
    ]


def _pool(pod: Pods, pools: Sequence[Pool]) -> Pool | None:
    return next((each for each in pools if each.takes(pod)), None)


def _holds(pool: Pool, pod: Pods, agents: nodes.Room) -> bool:
    types = nodes.instances(pool.processors(pod), pool.cpu)
    return any(each.allocatable(pool.disk).holds(pod.room + agents) for each in types)


def _setting(pool: Pool) -> str:
    return f"aws.cluster.nodes.{pool.name.replace('-', '_')}_cpu"
