"""Which models can be built without which sources: if a source fails, only models that read its streams wait."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MODELS = frozenset({"model", "snapshot", "seed"})
NO_TABLE = frozenset({"view", "ephemeral"})


@dataclass(frozen=True)
class Group:
    """The models that are made of the same sources, with their tests. `select` is dbt's own selection of them.

    read, made: the tables, as SQL names them, that the models and tests read, and those that the models are. A view is
    neither: what it reads is.
    """

    sources: tuple[str, ...]
    select: str
    read: tuple[str, ...] = ()
    made: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the step that builds them."""
        return f"build_{'_'.join(self.sources)}" if self.sources else "build_models"


def groups(manifest: Mapping[str, Any], source_of_table: Mapping[str, str]) -> list[Group]:
    """Return the groups of a dbt manifest, smaller sets of sources first; source_of_table: table in raw → its source.

    A test belongs to the model that it is about, and that model waits for whatever else the test reads.
    """
    nodes = manifest["nodes"]
    models = {key for key, node in nodes.items() if node["resource_type"] in MODELS}
    tests = {key: _about(node, models) for key, node in nodes.items() if node["resource_type"] == "test"}
    reads = {key: set(nodes[key]["depends_on"]["nodes"]) for key in models}
    for test, model in tests.items():
        if model is not None:
            reads[model] |= set(nodes[test]["depends_on"]["nodes"]) - {model}
    made_of: dict[str, frozenset[str]] = {
        key: frozenset({source_of_table.get(source.get("identifier", source["name"]), source["source_name"])})
        for key, source in manifest["sources"].items()
    }
    made_of |= dict.fromkeys(models, frozenset())
    while True:
        grown = {key: made_of[key].union(*(made_of[each] for each in reads[key] if each in made_of)) for key in models}
        if all(grown[key] == made_of[key] for key in models):
            break
        made_of |= grown
    chosen: dict[frozenset[str], list[str]] = {}
    for key in sorted(models):
        chosen.setdefault(made_of[key], []).append(key)
    for test, model in sorted(tests.items()):
        if model is not None:
            chosen[made_of[model]].append(test)
    found = []
    for sources, keys in sorted(chosen.items(), key=lambda each: (len(each[0]), sorted(each[0]))):
        select = " ".join(f"fqn:{'.'.join(nodes[key]['fqn'])}" for key in keys)
        made = _tables(manifest, keys)
        read = _tables(manifest, _upstream(nodes, keys)) - made
        found.append(Group(tuple(sorted(sources)), select, tuple(sorted(read)), tuple(sorted(made))))
    return found


def _upstream(nodes: Mapping[str, Any], keys: Iterable[str]) -> set[str]:
    """Whatever the nodes are made of, at first or second hand: models and sources."""
    found: set[str] = set()
    waiting = list(keys)
    while waiting:
        reads = set(nodes.get(waiting.pop(), {}).get("depends_on", {}).get("nodes", [])) - found
        found |= reads
        waiting += reads
    return found


def _tables(manifest: Mapping[str, Any], keys: Iterable[str]) -> set[str]:
    """Those of the models and sources that are tables."""
    known = {**manifest["sources"], **manifest["nodes"]}
    kinds = MODELS | {"source"}
    return {
        known[key]["relation_name"]
        for key in keys
        if known[key]["resource_type"] in kinds and known[key].get("config", {}).get("materialized") not in NO_TABLE
    }


def _about(test: Mapping[str, Any], models: set[str]) -> str | None:
    """The model that a test is about: the one it is written beside, else the last that it reads."""
    attached = test.get("attached_node")
    if attached in models:
        return str(attached)
    read = [each for each in test["depends_on"]["nodes"] if each in models]
    named = ((test.get("meta") or {}).get("dagster") or {}).get("ref") or {}
    return next((each for each in read if each.split(".")[2] == named.get("name")), read[-1] if read else None)
