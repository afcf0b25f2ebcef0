"""Superset's configuration: everything that differs between stacks comes from the environment.

Required: SUPERSET_SECRET_KEY, SUPERSET_DB_HOST, SUPERSET_DB_PORT, SUPERSET_DB_NAME, SUPERSET_DB_USER,
SUPERSET_DB_PASSWORD. A missing one raises KeyError at start, with its name.
Optional: SUPERSET_HTTPS ("true" behind a TLS proxy), SUPERSET_DATA_CACHE_SECONDS (60), SUPERSET_ROW_LIMIT (50000);
for a login at an identity provider SUPERSET_OIDC_* (oidc_login.py); for a cache that several processes share
SUPERSET_CACHE_* (shared_cache.py).
"""

import os
from datetime import timedelta
from typing import Any

import shared_cache
from branding import COLOR_SCHEME, THEME, WORDMARK
from sqlalchemy.engine import URL


def _flag(name: str) -> bool:
    """Read an optional boolean variable; raises ValueError for anything but "true" and "false"."""
    value = os.environ.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise ValueError(f"{name} is {value!r}: set it to true or false")
    return value == "true"


HTTPS = _flag("SUPERSET_HTTPS")

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = URL.create(
    "postgresql+psycopg2",
    username=os.environ["SUPERSET_DB_USER"],
    password=os.environ["SUPERSET_DB_PASSWORD"],
    host=os.environ["SUPERSET_DB_HOST"],
    port=int(os.environ["SUPERSET_DB_PORT"]),
    database=os.environ["SUPERSET_DB_NAME"],
).render_as_string(hide_password=False)
SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 5, "max_overflow": 5, "pool_pre_ping": True, "pool_recycle": 1800}
ALEMBIC_SKIP_LOG_CONFIG = True

# Short, so that a dashboard shows a pipeline run within a minute of its end.
DATA_CACHE_SECONDS = int(os.environ.get("SUPERSET_DATA_CACHE_SECONDS", "60"))
if "SUPERSET_CACHE_HOST" in os.environ:
    CACHE = shared_cache.settings_from(os.environ)
    CACHE_CONFIG = CACHE.flask_caching("superset-", 300)
    DATA_CACHE_CONFIG = CACHE.flask_caching("data-", DATA_CACHE_SECONDS)
    RATELIMIT_STORAGE_URI = CACHE.url(shared_cache.LIMITS)
    # While the cache is away each web server counts for itself.
    RATELIMIT_IN_MEMORY_FALLBACK_ENABLED = True
    # SQL Lab's long queries run in workers, and leave their rows here.
    RESULTS_BACKEND = CACHE.results()
    CELERY_CONFIG = CACHE.celery()
    SQLLAB_ASYNC_TIME_LIMIT_SEC = shared_cache.QUERY_SECONDS
else:
    # Caches live in the one web process; what must outlive it (filter state, permalinks) stays in the database.
    CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 500, "CACHE_DEFAULT_TIMEOUT": 300}
    DATA_CACHE_CONFIG = {
        "CACHE_TYPE": "SimpleCache",
        "CACHE_THRESHOLD": 200,
        "CACHE_DEFAULT_TIMEOUT": DATA_CACHE_SECONDS,
    }
    RATELIMIT_STORAGE_URI = "memory://"

# Nothing is anonymous; nobody registers, but by a login at the identity provider; a session ends after a working day.
AUTH_ROLE_PUBLIC = "Public"
PUBLIC_ROLE_LIKE = None
AUTH_USER_REGISTRATION = False
if "SUPERSET_OIDC_ISSUER" in os.environ:
    from flask_appbuilder.const import AUTH_OAUTH
    from oidc_login import OidcSecurityManager, settings_from

    OIDC_SETTINGS = settings_from(os.environ)
    AUTH_TYPE = AUTH_OAUTH
    OAUTH_PROVIDERS = [OIDC_SETTINGS.provider]
    CUSTOM_SECURITY_MANAGER = OidcSecurityManager
    AUTH_ROLES_MAPPING = OIDC_SETTINGS.mapping
    AUTH_ROLES_SYNC_AT_LOGIN = True
    AUTH_USER_REGISTRATION = True
    # Beside the roles of their groups; it has no permission.
    AUTH_USER_REGISTRATION_ROLE = "Public"
PERMANENT_SESSION_LIFETIME = timedelta(hours=12)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS
WTF_CSRF_ENABLED = True
ENABLE_PROXY_FIX = HTTPS
# The load balancer passes on the client's own X-Forwarded-Host and -Prefix: they are nobody's word.
PROXY_FIX_CONFIG = {"x_for": 1, "x_proto": 1, "x_port": 1, "x_host": 0, "x_prefix": 0}
RATELIMIT_ENABLED = True
RATELIMIT_APPLICATION = "300 per second"
# Behind one proxy or node port all users share an address: enough for an office, too little for guessing.
AUTH_RATE_LIMIT = "60 per minute"
FAB_API_SWAGGER_UI = False
ENABLE_CORS = False
PREVENT_UNSAFE_DB_CONNECTIONS = True

# The browser talks to this server only: no tiles, fonts or telemetry of others.
TALISMAN_ENABLED = True
TALISMAN_CONFIG: dict[str, Any] = {
    "content_security_policy": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "frame-ancestors": ["'self'"],
        "form-action": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": HTTPS,
}

ROW_LIMIT = int(os.environ.get("SUPERSET_ROW_LIMIT", "50000"))
SQL_MAX_ROW = 100_000
DEFAULT_SQLLAB_LIMIT = 1_000
SUPERSET_WEBSERVER_TIMEOUT = 120
SQLLAB_TIMEOUT = 120

FEATURE_FLAGS = {
    "DASHBOARD_RBAC": False,
    "DRILL_BY": True,
    "DRILL_TO_DETAIL": True,
    "EMBEDDED_SUPERSET": False,
    "ENABLE_TEMPLATE_PROCESSING": False,
    "ESCAPE_MARKDOWN_HTML": True,
    "ALERT_REPORTS": False,
}

APP_NAME = "Headwater"
APP_ICON = WORDMARK
THEME_DEFAULT = THEME
THEME_DARK = None
ENABLE_UI_THEME_ADMINISTRATION = False
EXTRA_CATEGORICAL_COLOR_SCHEMES = [COLOR_SCHEME]
CURRENCIES = ["EUR", "USD", "GBP", "CHF"]
LANGUAGES: dict[str, Any] = {}
LOG_LEVEL = os.environ.get("SUPERSET_LOG_LEVEL", "INFO")


def FLASK_APP_MUTATOR(app: Any) -> None:
    """Run by Superset once the application exists: the engine specs can be imported from here on."""
    import anonymous_events
    import iceberg_partitions

    anonymous_events.install(app)
    iceberg_partitions.install()
