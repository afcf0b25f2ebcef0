"""A source that `make source` added, as dbt and Dagster take it."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import pytest

from .conftest import PLACES, REPOSITORY


def test_dbt_reads_an_added_source_from_its_tables(dbt_project, tmp_path, monkeypatch):
    """A file that dbt refuses stops the image's build; a table without its asset key hangs in no graph."""
    monkeypatch.syspath_prepend(REPOSITORY)
    from cli.sources import rendering
    from cli.sources.connection import parse
    from cli.sources.found import Found

    source = parse("postgres://reader@db.internal/crm", "crm", "public")
    tables = [
        Found("Deal Lines", "crm_Deal Lines", "crm_deal_lines", ("deal",), None, 1, None, ""),
        Found("2024", "crm_2024", "crm_2024", (), None, 1, None, ""),
    ]
    folder = tmp_path / "transformation"
    shutil.copytree(dbt_project, folder)
    written = folder / "models" / "staging" / "crm"
    written.mkdir()
    (written / "_sources.yml").write_text(rendering.dbt_file(source, tables))
    (written / "stg_crm__deal_lines.sql").write_text("select deal from {{ source('crm', 'deal_lines') }}\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    environment = {**inherited, **PLACES, "DBT_PROFILES_DIR": str(folder)}
    dbt = os.path.join(os.path.dirname(sys.executable), "dbt")
    done = subprocess.run([dbt, "parse"], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    found = {each["name"]: each for each in manifest["sources"].values() if each["source_name"] == "crm"}
    assert found["deal_lines"]["relation_name"] == '"lake"."raw"."crm_deal_lines"'
    assert found["2024"]["meta"]["dagster"]["asset_key"] == ["raw", "crm_2024"]
    model = manifest["nodes"]["model.headwater.stg_crm__deal_lines"]
    assert model["depends_on"]["nodes"] == ["source.headwater.crm.deal_lines"]


@pytest.mark.parametrize(("name", "blocking"), [("shop", True), ("crm", False)])
def test_an_empty_table_of_an_own_source_stops_nothing(definitions, name, blocking):
    """A database with one table that has no row yet, and the shop's dashboards stand still."""
    from headwater_dagster.defs.ingestion.checks import check_of
    from headwater_dagster.defs.ingestion.streams import sources

    (shop,) = (source for source in sources() if source.name == "shop")
    specs = list(check_of(dataclasses.replace(shop, name=name)).check_specs)
    assert specs
    assert {spec.blocking for spec in specs} == {blocking}


def test_a_table_of_another_alphabet_is_an_asset(dbt_project, tmp_path):
    """The whole code location does not import: no source is loaded any more."""
    contracts = tmp_path / "contracts"
    shutil.copytree(os.environ["HEADWATER_CONTRACTS"], contracts)
    (contracts / "crm").mkdir()
    (contracts / "crm" / "_source.yml").write_text("title: CRM\nkind: postgres\ntap: tap-crm\n")
    (contracts / "crm" / "crm_grosse.yml").write_text('stream: "crm_Größe"\n')
    (contracts / "crm" / "crm_u5217.yml").write_text('stream: "crm_列"\n')
    show = (
        "from headwater_dagster.definitions import defs\n"
        "keys = defs.get_repository_def().asset_graph.get_all_asset_keys()\n"
        "print(' '.join(sorted('/'.join(key.path) for key in keys)))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "METRICS_NAMESPACE"}
    environment |= {"DBT_PROJECT_DIR": str(dbt_project), "HEADWATER_CONTRACTS": str(contracts)}
    argv = [sys.executable, "-W", "ignore", "-c", show]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"crm/grosse", "crm/u5217", "raw/crm_grosse", "raw/crm_u5217"} <= set(done.stdout.split())
