"""The program of a stack, run without a cloud."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from review import program
from review.resources import SECRET, UNKNOWN
from tests.unit.review.conftest import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout of one small program that reads a setting and makes a component's secret and output."""
    (tmp_path / "__main__.py").write_text(
        "import os, pulumi\n"
        "import pulumi_kubernetes as k8s\n"
        "config = pulumi.Config()\n"
        "if config.require('size') == 'wrong': raise pulumi.RunError('size: wrong')\n"
        "first = k8s.core.v1.Secret('first', string_data={'a': pulumi.Output.secret('hunter2')})\n"
        "opts = pulumi.ResourceOptions(protect=True)\n"
        "data = {'uid': first.metadata.uid, 'home': os.environ.get('HEADWATER_HOME', 'none')}\n"
        "k8s.core.v1.ConfigMap('second', data=data, opts=opts)\n"
    )
    for name, size in (("good", "5"), ("bad", "wrong")):
        settings = f"config:\n  headwater:size: '{size}'\n  headwater:token:\n    secure: v1:abc\n"
        (tmp_path / f"Pulumi.{name}.yaml").write_text(settings)
    return tmp_path


def test_secrets_unknown_values_and_options_are_told_apart(checkout: Path) -> None:
    """A secret in a violation's text, or a rule about `protect` that never sees it."""
    first, second = program.run("good", checkout)
    assert first.at("stringData") in (SECRET, {"a": SECRET})
    assert second.at("data", "uid") == UNKNOWN
    assert (first.protect, second.protect) == (False, True)
    assert "hunter2" not in json.dumps([first.inputs, second.inputs])


def test_this_machines_platform_is_neither_read_nor_left_changed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An estimate that depends on whose machine it ran on, or a process whose environment is gone afterwards."""
    monkeypatch.setenv("HEADWATER_HOME", "/somewhere")
    before = dict(os.environ)
    _, second = program.run("good", checkout)
    assert second.at("data", "home") == "none"
    assert dict(os.environ) == before


def test_wrong_settings_are_an_error_of_the_stack(checkout: Path) -> None:
    """A traceback of forty lines for a typing error in a stack file."""
    with pytest.raises(program.ProgramError, match="stack bad: size: wrong"):
        program.run("bad", checkout)
    with pytest.raises(program.ProgramError, match=r"s='goood'.*bad, good"):
        program.run("goood", checkout)


def test_encrypted_settings_are_left_out(checkout: Path) -> None:
    """The ciphertext of a secret taken for its value."""
    assert program.configuration("good", checkout) == {"headwater:size": "5"}


def test_a_new_stack_of_the_repositorys_own_model_runs(tmp_path: Path) -> None:
    """`make stack` writes a file that the program refuses."""
    from review import new_stack

    models = [each for each in sorted(ROOT.glob("Pulumi.*.yaml")) if "kind: eks" in each.read_text()]
    if not models:
        pytest.skip("no stack on EKS to make one from")
    shutil.copy(models[0], tmp_path)
    model = models[0].name.split(".")[1]
    made = new_stack.make("qa", model, tmp_path)
    (tmp_path / "__main__.py").symlink_to(ROOT / "__main__.py")
    names = json.dumps([each.inputs for each in program.run("qa", tmp_path)])
    assert made.differences
    assert f"headwater-{model}" not in names
