"""Bring Superset's metadata database to what the image says: `superset-init`, run by a Job before a roll-out.

Environment: superset_config.py's, and ADMIN_PASSWORD, EDITOR_PASSWORD, VIEWER_PASSWORD, TRINO_HOST, TRINO_PORT,
LAKE_CATALOG; optional MARTS_SCHEMA (marts); for a login to Trino TRINO_HTTP_SCHEME=https, TRINO_PASSWORD and TRINO_CA.
One process does all, because importing Superset costs 5 CPU-s each time.
Safe to run again and to run twice at once: the second waits for the first.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from provision.assets import AssetError, dataset_uuids, import_assets, read_assets, variables
from provision.roles import MissingPermissionError, apply_roles
from provision.users import apply_user, users_from

# Any number that no other program locks in this database.
LOCK = 7_310_422
REQUIRED = (
    *("SUPERSET_SECRET_KEY", "SUPERSET_DB_HOST", "SUPERSET_DB_PORT", "SUPERSET_DB_NAME", "SUPERSET_DB_USER"),
    *("SUPERSET_DB_PASSWORD", "ADMIN_PASSWORD", "EDITOR_PASSWORD", "VIEWER_PASSWORD"),
)
ASSETS = Path(__file__).resolve().parent.parent / "assets"


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print one line with the seconds that the block took."""
    start = time.monotonic()
    yield
    print(f"{title}: {time.monotonic() - start:.1f} s", flush=True)


def connect(wait_s: float) -> Any:
    """Connect to the metadata database, trying once a second for `wait_s` seconds, then raise its last error."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return psycopg2.connect(
                host=os.environ["SUPERSET_DB_HOST"],
                port=os.environ["SUPERSET_DB_PORT"],
                dbname=os.environ["SUPERSET_DB_NAME"],
                user=os.environ["SUPERSET_DB_USER"],
                password=os.environ["SUPERSET_DB_PASSWORD"],
                connect_timeout=5,
            )
        except psycopg2.OperationalError as error:
            if time.monotonic() >= deadline:
                raise
            print(f"waiting for the metadata database: {str(error).strip().splitlines()[0]}", flush=True)
            time.sleep(1)


def provision(contents: dict[str, str]) -> None:
    """Migrate the schema, then apply permissions, users, assets and roles, in this order."""
    users = users_from(os.environ)
    with step("load Superset"):
        from flask_migrate import upgrade
        from superset.app import create_app

        app = create_app()
    with app.app_context():
        from superset.connectors.sqla.models import SqlaTable
        from superset.extensions import appbuilder, db, security_manager

        logging.getLogger("flask_appbuilder").setLevel(logging.ERROR)
        logging.getLogger("superset").setLevel(logging.WARNING)
        with step("migrate the schema"):
            upgrade()
        with step("permissions and Superset's own roles"):
            appbuilder.add_permissions(update_perms=True)
            security_manager.sync_role_definitions()
            db.session.commit()
        administrator, *others = users
        with step("assets"):
            print(f"user {administrator.name}: {apply_user(security_manager, administrator)}")
            db.session.commit()
            import_assets(contents, security_manager.find_user(username=administrator.name))
        with step("roles and users"):
            # Not those that an editor has made: whatever they show, every viewer would read it.
            ours = dataset_uuids(contents)
            apply_roles(security_manager, [each for each in db.session.query(SqlaTable) if str(each.uuid) in ours])
            for user in others:
                print(f"user {user.name}: {apply_user(security_manager, user)}")
            db.session.commit()


def main() -> int:
    """Run the command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="superset-init", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assets", type=Path, default=ASSETS, help="folder with databases/, datasets/, charts/ …")
    parser.add_argument("--wait", type=float, default=120, metavar="S", help="seconds to wait for the database")
    arguments = parser.parse_args()
    start = time.monotonic()
    missing = [name for name in REQUIRED if not os.environ.get(name)]
    if missing:
        print(f"superset-init: not set in the environment: {', '.join(missing)}", file=sys.stderr)
        return 2
    try:
        contents = read_assets(arguments.assets, variables(os.environ))
        with closing(connect(arguments.wait)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            connection.commit()
            provision(contents)
    except (AssetError, MissingPermissionError, psycopg2.OperationalError) as error:
        print(f"superset-init: {error}", file=sys.stderr)
        return 1
    print(f"Superset is provisioned: {len(contents) - 1} files in {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
