"""What the role `viewer` may read, in a Superset that was provisioned twice."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from conftest import provision


def readable(security_manager: Any) -> set[str]:
    """The datasets of the role, by name."""
    permissions = security_manager.find_role("viewer").permissions
    access = [each.view_menu.name for each in permissions if each.permission.name == "datasource_access"]
    # [connection].[name](id:1)
    return {name.split("[")[2].partition("]")[0] for name in access}


def test_viewers_do_not_read_what_editors_make(application: Any, variables: dict[str, str]) -> None:
    """An editor's dataset on customers: after the next roll-out each viewer reads every address."""
    with application.app_context():
        from superset.connectors.sqla.models import SqlaTable
        from superset.extensions import db, security_manager
        from superset.models.core import Database

        before = readable(security_manager)
        assert "daily_sales" in before
        lake = db.session.query(Database).one()
        db.session.add(SqlaTable(table_name="stg_petco__customers", schema="staging", database=lake))
        db.session.commit()
        provision(variables)
        db.session.expire_all()
        try:
            assert readable(security_manager) == before
        finally:
            made = db.session.query(SqlaTable).filter_by(table_name="stg_petco__customers").one()
            db.session.delete(made)
            db.session.commit()
