"""Trino: memory, configuration, access rules, logins, and the component that puts it in a cluster (`engine`).

Provides `connection`: a `connections.QueryEngine`.
"""
