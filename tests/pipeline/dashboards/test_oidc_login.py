"""Superset itself, provisioned as on a stack with a load balancer, and an identity provider with real tokens."""

import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from werkzeug.security import check_password_hash

sys.path.insert(0, str(Path(__file__).parent))
from conftest import PASSWORDS
from identity_provider import Provider

HOST = "https://superset.data.example.com"
PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "443", "X-Forwarded-For": "198.51.100.7"}


@pytest.fixture(autouse=True)
def somebody(provider: Provider) -> None:
    """Before each test: a user in no group, and a provider that does everything right."""
    provider.user = {"sub": "248289", "email": "jane@example.com", "given_name": "Jane", "family_name": "Doe"}
    provider.in_userinfo, provider.published, provider.claimed_issuer = {}, None, None
    provider.asked.clear()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def sent_to(url: str) -> str:
    """Return where the provider sends a browser that has asked it for a login."""
    try:
        urllib.request.build_opener(NoRedirect).open(url)
    except urllib.error.HTTPError as answer:
        return str(answer.headers["Location"])
    raise AssertionError("the provider redirects")


def log_in(application: Any, **headers: str) -> Any:
    """Do what a browser does for a login; return its session."""
    browser = application.test_client()
    start = browser.get("/login/oidc", base_url=HOST, headers={**PROXY, **headers})
    assert start.status_code == 302, start.get_data(as_text=True)[:500]
    back = sent_to(start.headers["Location"])
    browser.get(back, base_url=HOST, headers=PROXY)
    return browser


def roles_of(browser: Any) -> set[str] | None:
    """Return the roles of the session's user, as Superset tells its own pages; None when nobody is logged in."""
    answer = browser.get("/api/v1/me/roles/", base_url=HOST, headers=PROXY)
    if answer.status_code == 401:
        return None
    return set(answer.get_json()["result"]["roles"]) - {"Public"}


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        (["analysts"], {"editor"}),
        (["everyone", "choir"], {"viewer"}),
        ("everyone", {"viewer"}),
        (["platform"], {"Admin"}),
        (["everyone", "analysts"], {"viewer", "editor"}),
    ],
)
def test_a_group_is_a_role(application: Any, provider: Provider, groups: Any, roles: set[str]) -> None:
    """Everybody an administrator, or nobody anything."""
    name = f"in-{groups}" if isinstance(groups, str) else "-".join(groups)
    provider.user |= {"sub": name, "email": f"{name}@example.com", "groups": groups}
    assert roles_of(log_in(application)) == roles


@pytest.mark.parametrize("groups", [None, [], ["choir"], ["Analysts"]])
def test_without_a_group_that_has_a_role_nobody_gets_in(application: Any, provider: Provider, groups: Any) -> None:
    """All of the company that the provider knows would see the figures."""
    provider.user |= {} if groups is None else {"groups": groups}
    assert roles_of(log_in(application)) is None
    with application.app_context():
        from superset.extensions import security_manager

        assert security_manager.find_user(username="oidc:248289") is None


def test_roles_follow_the_groups_at_each_login(application: Any, provider: Provider) -> None:
    """Who has left the team keeps its role for ever."""
    provider.user |= {"sub": "moving", "email": "moving@example.com", "groups": ["platform"]}
    assert roles_of(log_in(application)) == {"Admin"}
    provider.user["groups"] = ["everyone"]
    assert roles_of(log_in(application)) == {"viewer"}
    provider.user["groups"] = []
    assert roles_of(log_in(application)) is None


def test_groups_that_only_userinfo_tells_count_too(application: Any, provider: Provider) -> None:
    """Providers that keep ID tokens small shut out everybody."""
    provider.user |= {"sub": "small-token", "email": "small@example.com"}
    provider.in_userinfo = {"groups": ["analysts"]}
    assert roles_of(log_in(application)) == {"editor"}


def test_a_provisioned_user_is_nobody_of_the_provider(application: Any, provider: Provider) -> None:
    """Whoever is called `admin` at the provider would take over the administrator's account."""
    provider.user |= {"sub": "admin", "preferred_username": "admin", "email": "a@example.com", "groups": ["everyone"]}
    assert roles_of(log_in(application)) == {"viewer"}


def test_a_token_signed_by_somebody_else_is_refused(
    application: Any, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody could write a token with the group of the administrators."""
    provider.user |= {"groups": ["platform"]}
    provider.published = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
    with application.app_context():
        from superset.extensions import security_manager

        # The keys of the provider are kept; ask for them anew.
        security_manager.oauth_remotes["oidc"].server_metadata.pop("jwks", None)
    assert roles_of(log_in(application)) is None
    assert "signature" in caplog.text


def test_a_token_of_another_issuer_is_refused(application: Any, provider: Provider) -> None:
    """A tenant that anybody can open at the same provider."""
    provider.user |= {"groups": ["platform"]}
    provider.claimed_issuer = "https://somebody-else.example.com"
    assert roles_of(log_in(application)) is None


def test_the_way_back_is_the_page_itself(application: Any, provider: Provider) -> None:
    """The code would be sent to a host that a header names, or over plain HTTP, which the provider refuses."""
    provider.user |= {"sub": "back", "email": "back@example.com", "groups": ["everyone"]}
    log_in(application, **{"X-Forwarded-Host": "evil.example.com", "X-Forwarded-Prefix": "/evil"})
    (asked,) = provider.asked
    assert asked["redirect_uri"] == f"{HOST}/oauth-authorized/oidc"
    assert asked["code_challenge_method"] == "S256"


def test_the_session_cookie_stays_small_and_closed(application: Any, provider: Provider) -> None:
    """A token of some providers fills the 4 KB that a browser takes: a login that never ends."""
    provider.user |= {"sub": "cookie", "email": "cookie@example.com", "groups": ["everyone"]}
    browser = log_in(application)
    cookie = browser.get_cookie("session", domain="superset.data.example.com")
    assert cookie.secure
    assert cookie.http_only
    assert len(cookie.value) < 1500


def test_passwords_open_nothing(application: Any) -> None:
    """The REST API takes passwords whatever the login page does: a way past the provider."""
    with application.test_request_context():
        from superset.extensions import security_manager

        right = security_manager.find_user("admin").password
        assert check_password_hash(right, PASSWORDS["ADMIN_PASSWORD"])
        assert security_manager.auth_user_db("admin", PASSWORDS["ADMIN_PASSWORD"]) is None


def test_half_set_variables_are_named() -> None:
    """A web server that starts, and refuses every login with a stack trace."""
    from oidc_login import settings_from

    good = {"SUPERSET_OIDC_ISSUER": "https://a", "SUPERSET_OIDC_CLIENT": "b", "SUPERSET_OIDC_SECRET": "c",
            "SUPERSET_OIDC_SCOPES": "openid", "SUPERSET_OIDC_GROUPS_CLAIM": "groups",
            "SUPERSET_OIDC_ROLES": '{"a": "admin"}'}  # fmt: skip
    for name in good:
        with pytest.raises(KeyError, match=name):
            settings_from({key: value for key, value in good.items() if key != name})
    with pytest.raises(ValueError, match="no role Alpha"):
        settings_from({**good, "SUPERSET_OIDC_ROLES": '{"a": "Alpha"}'})


def test_long_names_of_users_fit_and_differ() -> None:
    """Superset's column holds 64 letters: a provider with longer names could let nobody in."""
    from oidc_login import LONGEST_NAME, user_name

    names = {user_name("x" * 70 + end) for end in "ab"}
    assert len(names) == 2
    assert all(len(name) <= LONGEST_NAME for name in names)
