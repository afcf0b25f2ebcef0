"""Sets Superset up from files: schema, roles, users, connection, datasets, charts, dashboards."""
