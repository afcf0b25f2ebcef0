"""The sensor of the shop: it asks for a run when rows came, and remembers what it has asked for."""

import json

import dagster as dg
import pytest


class TestSensor:
    @pytest.fixture(autouse=True)
    def loaded(self, definitions):
        """The module imports the definitions."""

    @pytest.fixture
    def shop(self, monkeypatch):
        from headwater_dagster.defs.ingestion.resources import Shop

        rows = {"orders": ["2026-11-22", 5], "customers": ["2026-11-20", 2]}
        fake = Shop("h", "1", "d", "u", "p")
        monkeypatch.setattr(Shop, "from_environment", classmethod(lambda cls: fake))
        monkeypatch.setattr(Shop, "query", lambda *_: [(name, *state) for name, state in rows.items()])
        return rows

    def evaluate(self, cursor=None, instance=None):
        from headwater_dagster.defs.pipeline.sensors import shop_has_new_rows

        with dg.DagsterInstance.ephemeral() as fresh:
            context = dg.build_sensor_context(instance=instance if instance is not None else fresh, cursor=cursor)
            return shop_has_new_rows(context)

    def after(self, shop, status, **memory):
        """Look again after the run that was asked for has ended so."""
        from headwater_dagster.defs.pipeline.sensors import Memory

        with dg.DagsterInstance.ephemeral() as instance:
            asked = Memory(asked=dict(shop), key="k", **memory)
            run = dg.DagsterRun(job_name="petco_pipeline", status=status, tags={"dagster/run_key": "k"})
            instance.add_run(run)
            return self.evaluate(cursor=asked.cursor(), instance=instance)

    def test_the_first_look_starts_a_run(self, shop):
        result = self.evaluate()
        assert len(result.run_requests) == 1
        assert json.loads(result.cursor)["asked"] == shop

    def test_a_cursor_of_an_earlier_version_is_understood(self, shop):
        assert "as they were" in self.evaluate(cursor=json.dumps(shop)).skip_reason.skip_message

    def test_an_unchanged_shop_starts_none(self, shop):
        result = self.after(shop, dg.DagsterRunStatus.SUCCESS)
        assert "as they were" in result.skip_reason.skip_message
        assert json.loads(result.cursor)["loaded"] == shop

    def test_rows_with_an_old_time_of_change_are_seen(self, shop):
        before = json.dumps(shop)
        shop["orders"] = ["2026-11-22", 6]
        assert len(self.evaluate(cursor=before).run_requests) == 1

    def test_what_a_failed_run_was_to_load_is_asked_for_again(self, shop, monkeypatch):
        """Rows that nobody loads until the shop changes once more; or a run a minute that fails each time."""
        from headwater_dagster.defs.pipeline import sensors

        clock = [1000.0]
        monkeypatch.setattr(sensors.time, "time", lambda: clock[0])
        first = self.after(shop, dg.DagsterRunStatus.FAILURE)
        assert "1 runs have failed" in first.skip_reason.skip_message
        clock[0] += 119
        assert "1 runs have failed" in self.evaluate(cursor=first.cursor).skip_reason.skip_message
        clock[0] += 1
        again = self.evaluate(cursor=first.cursor)
        assert len(again.run_requests) == 1
        second = self.after(shop, dg.DagsterRunStatus.FAILURE, failures=1)
        assert json.loads(second.cursor)["not_before"] == clock[0] + 240

    def test_a_run_that_dagster_makes_again_counts_in_its_place(self, shop):
        """A pod that is lost: a request beside the run that is made again, which has loaded all."""
        from headwater_dagster.defs.pipeline.sensors import Memory

        cursor = Memory(asked=dict(shop), key="k").cursor()
        tags = {"dagster/run_key": "k", "dagster/will_retry": "true"}
        with dg.DagsterInstance.ephemeral() as instance:
            lost = dg.DagsterRun(job_name="petco_pipeline", status=dg.DagsterRunStatus.FAILURE, tags=tags)
            instance.add_run(lost)
            assert "about to be run again" in self.evaluate(cursor=cursor, instance=instance).skip_message
            again = dg.DagsterRun(job_name="petco_pipeline", status=dg.DagsterRunStatus.SUCCESS)
            instance.add_run(again)
            instance.add_run_tags(lost.run_id, {"dagster/auto_retry_run_id": again.run_id})
            result = self.evaluate(cursor=cursor, instance=instance)
        assert json.loads(result.cursor)["loaded"] == shop

    def test_a_request_that_was_lost_is_made_again(self, shop):
        """The daemon ends between the cursor and the run."""
        from headwater_dagster.defs.pipeline.sensors import Memory

        assert len(self.evaluate(cursor=Memory(asked=dict(shop), key="k").cursor()).run_requests) == 1

    def test_a_run_under_way_is_waited_for_and_nothing_forgotten(self, shop):
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_run(
                dg.DagsterRun(job_name="petco_pipeline", run_id="0" * 8, status=dg.DagsterRunStatus.STARTED)
            )
            result = self.evaluate(cursor="{}", instance=instance)
        assert isinstance(result, dg.SkipReason)

    def test_names_of_the_shop_are_quoted(self):
        """A table or column whose name is no plain word, and a sensor that fails at each look."""
        from headwater_contracts import Contract
        from headwater_dagster.defs.pipeline.sensors import state_statement

        stream = Contract("shop", "Or\"d'ers", key=("id",), replication_key="order")
        assert state_statement([stream]) == (
            """select 'Or"d''ers', (select max("order")::text from "shop"."Or""d'ers"), (select n_tup_ins + n_tup_upd"""
            """ + n_tup_del from pg_stat_user_tables where schemaname = 'shop' and relname = 'Or"d''ers')"""
        )

    @pytest.mark.parametrize("status", ["NOT_STARTED", "STARTED", "CANCELING", "SUCCESS", "FAILURE"])
    def test_the_schedule_does_not_stand_behind_itself(self, status, tmp_path):
        """Runs longer than a quarter of an hour, and a queue that grows until somebody empties it."""
        from headwater_dagster.defs.pipeline.schedules import every_15_minutes

        with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
            instance.add_run(dg.DagsterRun(job_name="petco_pipeline", status=dg.DagsterRunStatus[status]))
            asked = every_15_minutes(dg.build_schedule_context(instance=instance))
        assert isinstance(asked, dg.RunRequest) == (status in {"SUCCESS", "FAILURE"})

    def test_without_a_source_it_says_so(self, monkeypatch):
        monkeypatch.delenv("SHOP_HOST", raising=False)
        assert "SHOP_HOST" in self.evaluate().skip_message
