"""Where local state goes, and what the tools see of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from localstack.home import Home, default_root


def test_the_home_is_the_named_one_else_by_user() -> None:
    assert default_root({"HEADWATER_HOME": "/srv/h"}, 0) == Path("/srv/h")
    assert default_root({}, 0) == Path("/var/lib/headwater")
    assert default_root({"HOME": "/home/u"}, 1000) == Path("/home/u/.local/share/headwater")


def test_a_relative_home_is_refused() -> None:
    with pytest.raises(ValueError, match="must be an absolute path"):
        default_root({"HEADWATER_HOME": "here"}, 0)


def test_a_named_context_keeps_the_users_kubeconfig() -> None:
    home = Home(Path("/h"))
    assert home.environment({"PATH": "/bin"})["KUBECONFIG"] == "/h/kubeconfig"
    named = home.environment({"PATH": "/bin", "HEADWATER_KUBE_CONTEXT": "kind", "KUBECONFIG": "/home/u/config"})
    assert named["KUBECONFIG"] == "/home/u/config"


def test_keys_are_closed_to_other_users(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    home.create()
    assert home.state.stat().st_mode & 0o077 == 0
    assert home.cluster.stat().st_mode & 0o077 == 0
    for folder in (home.logs, home.run, home.registry):
        folder.chmod(0o755)
    home.create()
    for folder in (home.logs, home.run, home.registry):
        assert folder.stat().st_mode & 0o077 == 0, "what services log, and all images, also in a home that was open"
