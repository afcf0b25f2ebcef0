"""The web server of Superset: one process, threads for the requests that wait on Trino.

One process keeps the in-memory caches and the login rate limit in one place and the memory under 500 MB. With a shared
cache (`headwater:dashboards.cache`) there may be several servers. Environment: SUPERSET_THREADS (8).
"""

import os

bind = "0.0.0.0:8088"
wsgi_app = "superset.app:create_app()"
workers = 1
worker_class = "gthread"
threads = int(os.environ.get("SUPERSET_THREADS", "8"))
# Longer than SUPERSET_WEBSERVER_TIMEOUT, which ends a query with a message first.
timeout = 150
graceful_timeout = 30
keepalive = 30
# Heartbeat file: /tmp is writable, the root file system is not.
worker_tmp_dir = "/tmp"  # noqa: S108
accesslog = None
errorlog = "-"
