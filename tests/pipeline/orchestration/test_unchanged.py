"""What has not changed is not built again; whatever has, or may have, is. Over Dagster's own instance."""

import datetime as dt

import dagster as dg
import pytest

PIPELINE = {"headwater/pipeline": "petco"}
ORDERS, ITEMS, FACTS = '"lake"."raw"."orders"', '"lake"."raw"."order_items"', '"lake"."marts"."fct_orders"'


class Tables:
    """Stands for Trino: table → its version."""

    def __init__(self, group):
        self.versions = dict.fromkeys(group.read + group.made, "1/0")
        self.asked = []

    def query(self, statement):
        self.asked.append(statement)
        if "metadata_log_entries" not in statement:
            return []
        return [[name, self.versions[name]] for name in self.versions if f"'{name}'" in statement]


class Platform:
    """The step of the shop's models, with a dbt that only says that it was started."""

    def __init__(self, monkeypatch, definitions, manifest):
        from headwater_dagster.dbt_groups import groups
        from headwater_dagster.defs.ingestion.streams import source_of_table
        from headwater_dagster.defs.transformation import assets

        (self.group,) = [each for each in groups(manifest, source_of_table()) if each.sources == ("shop",)]
        self.assets, self.tables = assets, Tables(self.group)
        self.step = assets.models_of(self.group)
        self.builds, self.error = 0, None
        self.meanwhile = lambda: None
        monkeypatch.setattr(assets, "built", self.built)
        self.monkeypatch = monkeypatch

    def built(self, context, _dbt, _lake):
        from headwater_dagster.defs.transformation import unchanged

        self.builds += 1
        self.meanwhile()
        if self.error is not None:
            raise self.error
        for table in self.group.made:
            self.tables.versions[table] += "+"
        for key in unchanged.in_order(context.assets_def):
            yield dg.MaterializeResult(key)

    def run(self, instance, tags=PIPELINE, selection=None):
        """Run the step; return whether dbt was started."""
        from headwater_dagster.defs.ingestion.resources import Lake

        before, lake = self.builds, Lake(host="t", port="1", user="u", catalog="lake")
        self.monkeypatch.setattr(Lake, "query", lambda _self, statement: self.tables.query(statement))
        done = dg.materialize(
            [self.step], instance=instance, resources={"dbt": dg.ResourceDefinition.none_resource(), "lake": lake},
            tags=tags, selection=selection, raise_on_error=False,
        )  # fmt: skip
        assert done.success is (self.error is None)
        self.last = done
        return self.builds > before


@pytest.fixture
def platform(monkeypatch, definitions, manifest):
    return Platform(monkeypatch, definitions, manifest)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_a_group_knows_all_tables_that_it_is_made_of(platform):
    """A view hides what it reads: orders that change without a build of what is made of them."""
    assert {ORDERS, ITEMS} <= set(platform.group.read)
    assert FACTS in platform.group.made
    assert not [name for name in platform.group.read + platform.group.made if '"staging"' in name]


def test_nothing_new_builds_nothing(platform, instance):
    assert platform.run(instance)
    assert not platform.run(instance)
    keys = {event.asset_key for event in platform.last.get_asset_materialization_events()}
    assert keys == platform.step.keys, "a step that waits for one of them would be skipped"
    assert any("stream_loads" in each for each in platform.tables.asked), "the loads of the run are not told"


@pytest.mark.parametrize("table", [ORDERS, FACTS])
def test_a_table_that_changed_is_built_from(platform, instance, table):
    """Of what is read: new rows. Of what was made: somebody's hand, a table that was rolled back."""
    platform.run(instance)
    platform.tables.versions[table] = "2/0"
    assert platform.run(instance)
    assert not platform.run(instance)


def test_rows_that_come_during_a_build_are_built_from_next_time(platform, instance):
    platform.meanwhile = lambda: platform.tables.versions.update({ORDERS: "late/0"})
    platform.run(instance)
    platform.meanwhile = lambda: None
    assert platform.run(instance), "the late rows are taken for built"
    assert not platform.run(instance)


def test_a_build_that_failed_is_not_remembered(platform, instance):
    """A test that found wrong data, forgotten by the next run, which is green."""
    platform.error = dg.Failure("wrong data", allow_retries=False)
    assert platform.run(instance)
    assert platform.run(instance)
    platform.error = None
    assert platform.run(instance)
    assert not platform.run(instance)


def test_a_table_that_is_not_there_is_built(platform, instance, monkeypatch):
    platform.run(instance)

    def gone(statement):
        raise RuntimeError("TABLE_NOT_FOUND")

    monkeypatch.setattr(platform.tables, "query", gone)
    assert platform.run(instance)


@pytest.mark.parametrize("tags", [{}, {**PIPELINE, "headwater/full-refresh": "true"}], ids=["by hand", "made anew"])
def test_what_a_person_asks_for_is_built(platform, instance, tags):
    platform.run(instance)
    assert platform.run(instance, tags)


def test_a_part_of_a_group_is_built(platform, instance):
    platform.run(instance)
    assert platform.run(instance, selection=dg.AssetSelection.keys("marts/fct_orders"))


def test_other_code_and_another_day_build_again(platform, tmp_path):
    """A corrected model that is not built before the next row comes."""
    from headwater_dagster.defs.transformation import unchanged

    class Lake:
        query = staticmethod(platform.tables.query)

    def state(content, day):
        manifest = tmp_path / f"{content}.json"
        manifest.write_text(content)
        now = dt.datetime(2026, 3, day, 1, tzinfo=dt.UTC)
        return unchanged.state_before(Lake(), platform.group, manifest, now, print)

    assert state("a", 1) == state("a", 1)
    assert state("a", 1) != state("b", 1)
    assert state("a", 1) != state("a", 2)
