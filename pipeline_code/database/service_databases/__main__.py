"""python -m service_databases NAME…: make each service's role and database. Safe to repeat.

Environment: PGHOST and libpq's other variables, MASTER_SECRET_ARN, AWS_REGION; DATABASE_SECRETS, a folder with a file
a service that holds its password (/run/secrets/database).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import boto3
import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from service_databases.master import Master, master
from service_databases.roles import ensure

WAIT_SECONDS = 120
REQUIRED = ("PGHOST", "MASTER_SECRET_ARN", "AWS_REGION")


def passwords(folder: Path, names: list[str]) -> dict[str, str]:
    """Return each service's password. Raises ValueError that names the file that is missing or empty."""
    found = {}
    for name in names:
        file = folder / name
        found[name] = file.read_text().strip() if file.is_file() else ""
        if not found[name]:
            raise ValueError(f"{file} is missing or empty; it holds the password of role {name}")
    return found


def connect(credentials: Master, wait_seconds: float) -> psycopg.Connection:
    """Connect to database postgres, trying once a second for `wait_seconds`, then raise the last error."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return psycopg.connect(
                dbname="postgres",
                user=credentials.user,
                password=credentials.password,
                connect_timeout=5,
                autocommit=True,
                application_name="headwater-database-init",
            )
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline:
                raise
            print(f"waiting for {os.environ['PGHOST']}: {str(error).strip().splitlines()[0]}", flush=True)
            time.sleep(1)


def main(names: list[str]) -> int:
    """Run the command line; returns its exit status."""
    missing = [name for name in REQUIRED if not os.environ.get(name)]
    if missing or not names:
        wanted = f"not set in the environment: {', '.join(missing)}" if missing else "name at least one service"
        print(f"service_databases: {wanted}", file=sys.stderr)
        return 2
    try:
        known = passwords(Path(os.environ.get("DATABASE_SECRETS", "/run/secrets/database")), names)
        client = boto3.client("secretsmanager", region_name=os.environ["AWS_REGION"])
        credentials = master(client, os.environ["MASTER_SECRET_ARN"])
        with connect(credentials, WAIT_SECONDS) as connection:
            for name, password in known.items():
                ensure(connection, name, password)
                print(f"database {name}: owned by {name}", flush=True)
    except (ValueError, BotoCoreError, ClientError, psycopg.Error) as error:
        print(f"service_databases: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
