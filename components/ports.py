"""The ports on which the platform's services listen in the cluster. Ports on a node: `settings/cluster.py`."""

from __future__ import annotations

POSTGRES = 5432
OBJECT_STORE = 9000
CATALOG = 8181
TRINO_HTTP = 8080
TRINO_HTTPS = 8443
DAGSTER = 3000
DAGSTER_CODE = 4000
SUPERSET = 8088
CACHE = 6379
STAND_INS = 8090
