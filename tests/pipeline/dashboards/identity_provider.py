"""A small identity provider: what OpenID Connect asks of one, with keys, PKCE and clients' secrets checked."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "superset", "a-secret-of-the-client"


@dataclass
class Provider:
    """user: the claims of whoever logs in next. key: signs the ID tokens; published: what its users can read of it.

    in_userinfo: claims that are not in the ID token, and only told when asked for.
    """

    issuer: str = ""
    user: dict[str, Any] = field(default_factory=dict)
    in_userinfo: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"}))
    published: RSAKey | None = None
    claimed_issuer: str | None = None
    granted: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def discovery(self) -> dict[str, Any]:
        endpoints = {name: f"{self.issuer}/{name.removesuffix('_endpoint')}"
                     for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")}  # fmt: skip
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **endpoints,
                "id_token_signing_alg_values_supported": ["RS256"]}  # fmt: skip

    def authorize(self, query: dict[str, str]) -> str:
        """Log the user in at once; return where the browser is sent."""
        self.asked.append(query)
        code = secrets.token_urlsafe(16)
        self.granted[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Return the tokens for a code, once; None for a wrong client, code or verifier."""
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        query = self.granted.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if authorization != expected or query is None or query["code_challenge"] != challenge.rstrip(b"=").decode():
            return None
        now = int(time.time())
        issuer = self.issuer if self.claimed_issuer is None else self.claimed_issuer
        claims = {"iss": issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": query["nonce"], **self.user}
        identity = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)
        return {"access_token": "of-" + self.user["sub"], "token_type": "Bearer", "expires_in": 300,
                "id_token": identity}  # fmt: skip

    def keys(self) -> dict[str, Any]:
        published = self.key if self.published is None else self.published
        return {"keys": [published.as_dict(private=False)]}


@contextmanager
def serve() -> Iterator[Provider]:
    """Serve a provider on a free port of loopback."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            if place.path == "/authorization":
                query = {key: values[0] for key, values in parse_qs(place.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.end_headers()
                return
            if place.path == "/userinfo":
                assert self.headers["Authorization"] == f"Bearer of-{provider.user['sub']}"
                self._send({"sub": provider.user["sub"], **provider.in_userinfo})
                return
            self._send({"/.well-known/openid-configuration": provider.discovery, "/jwks": provider.keys}[place.path]())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {key: values[0] for key, values in parse_qs(body).items()}
            found = provider.token(form, self.headers.get("Authorization", ""))
            self._send({"error": "invalid_grant"} if found is None else found, 400 if found is None else 200)

        def _send(self, content: dict[str, Any], status: int = 200) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
