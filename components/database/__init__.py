"""The platform's PostgreSQL: a server in the cluster (`postgres`), or Amazon RDS (`rds`).

Both provide `connection(service)`: a `connections.Database` for one of `services.SERVICES`. `server` is a PostgreSQL
server in general; the example's shop is one too.
"""
