"""The Iceberg catalog: a REST server in the cluster (`rest`), somebody else's (`remote`), or AWS Glue (`glue`).

Each provides a `connections.Catalog`.
"""
