"""Rows against columns: the same orders in PostgreSQL and in Iceberg, read by Trino and by DuckDB."""
