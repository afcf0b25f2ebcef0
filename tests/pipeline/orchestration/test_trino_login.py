"""How dbt and Dagster connect to Trino: plainly, or with a login, as the environment says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from headwater_dagster.defs.ingestion.resources import login

from .conftest import PLACES

LOGIN = {"TRINO_HTTP_SCHEME": "https", "TRINO_PASSWORD": "secret", "TRINO_CA": "/etc/headwater/trino/trino.pem"}
# dbt's own code reads the profile, as `dbt build` does; a word of a credential class that it refuses ends in an error.
PROFILE = """
import json, os, sys
from dbt.config.profile import Profile, read_profile
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context
from dbt.flags import set_from_args
from argparse import Namespace
set_invocation_context(os.environ)
set_from_args(Namespace(profiles_dir=sys.argv[1]), None)
raw = read_profile(sys.argv[1])
profile = Profile.from_raw_profiles(raw, "headwater", ProfileRenderer({}))
chosen = profile.credentials
auth = chosen.trino_auth()
print(json.dumps({"method": chosen.method, "scheme": chosen.http_scheme.value, "verify": chosen.cert,
                  "user": chosen.user, "auth": type(auth).__name__ if auth else None}))
"""


def profile(project: Path, environment: dict[str, str]) -> dict[str, object]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "TRINO_"))}
    done = subprocess.run(
        [sys.executable, "-c", PROFILE, str(project)],
        env={**inherited, **PLACES, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_dbt_connects_plainly_without_a_login(dbt_project: Path) -> None:
    """The dev stack has no certificate: HTTPS by default would end every build before its first model."""
    assert profile(dbt_project, {}) == {
        "method": "none", "scheme": "http", "verify": None, "user": "dbt", "auth": None,
    }  # fmt: skip


def test_dbt_logs_in_where_the_stack_says_so(dbt_project: Path) -> None:
    """A password sent without verifying the certificate goes to whoever answers under Trino's name."""
    assert profile(dbt_project, LOGIN) == {
        "method": "ldap", "scheme": "https", "verify": LOGIN["TRINO_CA"], "user": "dbt", "auth": "BasicAuthentication",
    }  # fmt: skip


def test_dbt_by_hand_is_another_user(dbt_project: Path) -> None:
    """As `dbt` a developer's build could replace the marts; the rules of Trino know only who asks."""
    by_hand = {"HEADWATER_PRODUCTION": "", "HEADWATER_DEVELOPER": "ann"}
    assert profile(dbt_project, by_hand)["user"] == "developer"
    login = {**LOGIN, **by_hand, "TRINO_DEVELOPER_PASSWORD": "another"}
    assert profile(dbt_project, login) == {
        "method": "ldap", "scheme": "https", "verify": LOGIN["TRINO_CA"], "user": "developer",
        "auth": "BasicAuthentication",
    }  # fmt: skip


def test_dagster_connects_as_dbt_does() -> None:
    """The check of raw streams would fail, and with it every run, on a stack whose dbt builds well."""
    assert login("dbt", {}) == {}
    arguments = login("dbt", LOGIN)
    assert arguments["http_scheme"] == "https"
    assert arguments["verify"] == LOGIN["TRINO_CA"]


@pytest.mark.parametrize("absent", ["TRINO_PASSWORD", "TRINO_CA"])
def test_half_a_login_is_an_error(absent: str) -> None:
    """Without the certificate's path the client would trust every public authority instead."""
    with pytest.raises(KeyError, match=absent):
        login("dbt", {name: value for name, value in LOGIN.items() if name != absent})
