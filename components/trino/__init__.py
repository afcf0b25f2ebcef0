"""Trino: sizes, configuration, access rules, logins, and the component that puts them in a cluster."""

from components.trino.engine import Trino, TrinoArgs

__all__ = ["Trino", "TrinoArgs"]
