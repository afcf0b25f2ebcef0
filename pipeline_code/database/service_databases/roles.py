"""Roles and the databases that they own."""

from __future__ import annotations

import psycopg
from psycopg import sql


def ensure(connection: psycopg.Connection, name: str, password: str) -> None:
    """Make the role `name` and the database of that name that it owns, or correct them; nothing is dropped.

    connection: to database postgres, in autocommit, as a role that may make roles and databases.
    """
    role = sql.Identifier(name)
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    # Hashed here, so that the password is in no statement that the server may log.
    hashed = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(hashed)))
    # Only a member of a role may give it a database; a superuser, which the master is not, would not need it.
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
    connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(role, role))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))
