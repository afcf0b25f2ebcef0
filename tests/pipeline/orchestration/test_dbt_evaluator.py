"""The rules of dbt-project-evaluator, applied to the manifest: dbt's package hub is not needed for them.

https://dbt-labs.github.io/dbt-project-evaluator describes each. EXCEPTIONS are where the project knows better.
"""

from collections import defaultdict

import pytest

FANOUT, JOINS, CHAIN = 3, 7, 5
"""The package's own limits: leaves under a model, models read by one, views on views."""
EXCEPTIONS = {
    "root models": {
        "data_quality": "reads the log that Dagster keeps of tests, which no source and no model makes",
        "source_freshness": "reads the log that Dagster keeps of loads, which no source and no model makes",
    },
    "model fanout": {
        "fct_orders": "the reports of sales are small aggregates of the one fact, each for a chart of its own",
    },
    "rejoining": {},
    "sources without freshness": dict.fromkeys(
        ("salesforce", "shop", "stripe"), "how fresh a stream has to be is said in its contract, and checked by Dagster"
    ),
}


@pytest.fixture(scope="module")
def project(manifest):
    return Project(manifest)


class Project:
    """The graph of a manifest, by short names; sources as `source:<system>.<table>`."""

    def __init__(self, manifest):
        self.sources = {self.short(key): each for key, each in manifest["sources"].items()}
        self.models = {
            self.short(key): each
            for key, each in manifest["nodes"].items()
            if each["resource_type"] in ("model", "snapshot", "seed")
        }
        self.tests = [each for each in manifest["nodes"].values() if each["resource_type"] == "test"]
        self.exposures = manifest["exposures"]
        self.parents = {
            name: {self.short(key) for key in each["depends_on"]["nodes"]} for name, each in self.models.items()
        }
        self.children = defaultdict(set)
        for name, parents in self.parents.items():
            for parent in parents:
                self.children[parent].add(name)

    @staticmethod
    def short(key):
        parts = key.split(".")
        return f"source:{parts[2]}.{parts[3]}" if parts[0] == "source" else parts[2]

    def kind(self, name):
        return self.models[name]["original_file_path"].split("/")[1]


def excepted(rule, found):
    """What breaks a rule beside its exceptions; an exception that nothing needs any more is wrong, too."""
    known = set(EXCEPTIONS[rule])
    assert known <= set(found), f"{rule}: {known - set(found)} is no exception any more"
    return set(found) - known


def read_sources(project, name):
    return {parent for parent in project.parents[name] if parent.startswith("source:")}


def test_only_staging_reads_sources(project):
    """Cleaning that is done twice, or not at all, where a source is read past its staging model."""
    assert not [name for name in project.models if read_sources(project, name) and project.kind(name) != "staging"]


def test_a_model_reads_one_source_and_nothing_beside_it(project):
    for name in project.models:
        if read_sources(project, name):
            assert len(project.parents[name]) == 1, name


def test_every_source_is_read_by_one_model(project):
    for source in project.sources:
        assert len(project.children[source]) == 1, source


def test_staging_is_read_downstream_only(project):
    """A staging model on another hides what it cleans; `base_` models are there for that."""
    for name, parents in project.parents.items():
        if project.kind(name) == "staging":
            assert all(each.startswith(("source:", "base_")) for each in parents), name
        if project.kind(name) == "intermediate":
            assert not [each for each in parents if not each.startswith("source:") and project.kind(each) == "marts"]


def test_no_model_hangs_in_the_air(project):
    assert not excepted("root models", [name for name, parents in project.parents.items() if not parents])


def test_no_relation_is_named_by_hand(project):
    """A name of a table in the text of a model is no edge of the graph: nothing waits for it."""
    for name, model in project.models.items():
        if name not in EXCEPTIONS["root models"]:
            for schema in ("raw.", "staging.", "intermediate.", "marts.", "snapshots."):
                assert f" {schema}" not in model["raw_code"], f"{name}: {schema}"


def test_no_model_feeds_more_leaves_than_it_should(project):
    leaves = {
        name: [child for child in project.children[name] if not project.children[child]] for name in project.models
    }
    assert not excepted("model fanout", [name for name, found in leaves.items() if len(found) >= FANOUT])


def test_nothing_is_joined_again_with_what_it_was_made_of(project):
    found = [
        f"{one} > {middle} > {last}"
        for one in project.models
        for middle in project.children[one]
        for last in project.children[middle]
        if one in project.parents[last] and project.children[middle] == {last}
    ]
    assert not excepted("rejoining", found)


def test_no_model_reads_too_much_at_once(project):
    assert not [name for name, parents in project.parents.items() if len(parents) >= JOINS]


def test_views_are_not_piled_up(project):
    """Each query of a dashboard would run the whole pile."""

    def height(name):
        if name.startswith("source:") or project.models[name]["config"]["materialized"] != "view":
            return 0
        return 1 + max((height(parent) for parent in project.parents[name]), default=0)

    assert not [name for name in project.models if height(name) >= CHAIN]


def test_every_model_has_a_test_of_its_primary_key(project):
    """`key` is unique and not null at once, for one column or several (primary_key_test_macros in dbt_project.yml)."""
    tested = {
        each["attached_node"].split(".")[2]
        for each in project.tests
        if (each.get("test_metadata") or {}).get("name") == "key" and each.get("attached_node")
    }
    assert set(project.models) == tested


def test_everything_is_documented(project):
    for name, each in {**project.models, **project.sources}.items():
        assert each["description"].strip(), name
    assert all(each["source_description"].strip() for each in project.sources.values())


def test_names_and_folders_say_what_a_model_is(project):
    prefixes = {"staging": ("stg_", "base_"), "intermediate": ("int_",)}
    for name, model in project.models.items():
        kind = project.kind(name)
        assert name.startswith(prefixes[kind]) if kind in prefixes else not name.startswith(("stg_", "int_", "base_"))
        for source in read_sources(project, name):
            assert model["original_file_path"].split("/")[2] == source.removeprefix("source:").split(".")[0], name
    for name, source in project.sources.items():
        assert source["original_file_path"] == f"models/staging/{source['source_name']}/_sources.yml", name


def test_tests_lie_beside_their_models(project):
    for test in project.tests:
        if test.get("attached_node"):
            model = test["attached_node"].split(".")[2]
            assert test["original_file_path"] == project.models[model]["patch_path"].split("://")[1], test["name"]


def test_dashboards_read_marts(project):
    """A dashboard on a staging view pays for its query each time, and breaks with it."""
    for exposure in project.exposures.values():
        for key in exposure["depends_on"]["nodes"]:
            assert project.kind(project.short(key)) == "marts", key
            assert project.models[project.short(key)]["config"]["contract"]["enforced"], key


def test_freshness_is_said_in_one_place(project):
    """Limits beside the contracts' would be another opinion of what is late."""
    unlimited = {
        each["source_name"]
        for each in project.sources.values()
        if not ((each["freshness"] or {}).get("warn_after") or {}).get("count")
    }
    assert not excepted("sources without freshness", unlimited)
