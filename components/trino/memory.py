"""How a container's memory and a node's disk are divided: in one place, for every role of a node."""

from __future__ import annotations

from dataclasses import dataclass

from components import settings

# What the JVM takes beside its heap: code cache 256, metaspace 250, threads and buffers 260 MiB, measured at 2 GB heap.
NON_HEAP_MIB = 768
SMALLEST_HEAP_MIB = 1024
# What a task is first thought to need; Trino's own default of 5 GB would give each node of 8 GB one task at a time.
TASKS_PER_NODE = 4
# The rest is for what Trino writes before it counts. A volume that overflows costs the pod, not the query.
SPILL_PERCENT = 90


@dataclass(frozen=True)
class Memory:
    """How the container's memory is shared out, in MiB. query + headroom never exceed the heap."""

    heap: int
    query: int
    headroom: int

    @property
    def task(self) -> int:
        """MiB that a fault-tolerant task is given at first; it gets more when it fails for want of memory."""
        return self.query // TASKS_PER_NODE


def memory(limit: str) -> Memory:
    """Return how a container limit such as 2816Mi or 4Gi is shared out. Raises ValueError when it is too small."""
    mib = settings.mebibytes(limit)
    heap = mib - max(NON_HEAP_MIB, mib // 5)
    if heap < SMALLEST_HEAP_MIB:
        raise ValueError(
            f"trino.memory is {limit}: after {NON_HEAP_MIB}Mi beside the heap that leaves {heap}Mi; "
            f"Trino needs {SMALLEST_HEAP_MIB}Mi, so at least {NON_HEAP_MIB + SMALLEST_HEAP_MIB}Mi in all"
        )
    return Memory(heap=heap, query=heap // 2, headroom=heap // 4)


def cluster_query(worker: Memory, workers: int) -> int:
    """Return the MiB that one query may take on all workers together, when there are as many as there may be."""
    return worker.query * workers


def spill(volume: str) -> int:
    """Return the MiB that a node may spill to a volume of that size."""
    return settings.mebibytes(volume) * SPILL_PERCENT // 100


def jvm_options(share: Memory) -> list[str]:
    """Return the JVM's options, those of Trino's own documentation, for a heap that returns what it does not use."""
    return [
        "-server",
        "-Xms512m",
        f"-Xmx{share.heap}m",
        "-XX:+UseG1GC",
        "-XX:G1HeapRegionSize=16M",
        "-XX:G1PeriodicGCInterval=60000",
        "-XX:+ExplicitGCInvokesConcurrent",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-OmitStackTraceInFastThrow",
        "-XX:ReservedCodeCacheSize=256M",
        "-XX:PerMethodRecompilationCutoff=10000",
        "-XX:PerBytecodeRecompilationCutoff=10000",
        "-Djdk.attach.allowAttachSelf=true",
        "-Djdk.nio.maxCachedBufferSize=2000000",
        "-Dfile.encoding=UTF-8",
        "-XX:+EnableDynamicAgentLoading",
        "--add-modules=jdk.incubator.vector",
        "-Duser.timezone=UTC",
    ]
