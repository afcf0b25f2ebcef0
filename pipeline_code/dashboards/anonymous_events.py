"""Keep the login page's own event log from undoing a login.

A second after it loads, Superset's login page posts user-interface events to /superset/log/. Nobody is logged in, so
the answer is a redirect whose "Access is denied" message goes into the session cookie, which holds the whole session.
Where that answer follows the login's within milliseconds, the browser keeps the anonymous cookie and shows the login
page again (4 of 45 logins on a busy machine). Events of anonymous visitors are not kept, so answer them at once.
"""

from typing import Any

EVENTS = "/superset/log/"


def install(app: Any) -> None:
    """Answer 204, with no cookie, to events that come without a logged-in session."""
    from flask import request, session

    def drop_anonymous_events() -> tuple[str, int] | None:
        # Asking for the current user instead would mark the session as changed and send its cookie.
        if request.path == EVENTS and "_user_id" not in session:
            return "", 204
        return None

    app.before_request_funcs.setdefault(None, []).insert(0, drop_anonymous_events)
