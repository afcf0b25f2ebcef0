"""Clients of a running platform: its cluster, Dagster, Trino, and the addresses of its services."""
