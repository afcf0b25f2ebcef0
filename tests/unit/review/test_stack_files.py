"""Stack files that can't be read: an error that names the file and the line, whichever command reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.platform import endpoints
from localstack.aws import emulator
from localstack.errors import LocalError
from review import new_stack, program, touched
from review.stack_files import StackFileError, configuration

BROKEN = "config:\n  headwater:aws:\n    region: 'eu-central-1\n"
READERS: dict[str, tuple[type[Exception], Callable[[Path], object]]] = {
    "cost": (StackFileError, lambda checkout: program.run("localstack", checkout)),
    "stack": (StackFileError, lambda checkout: new_stack.make("qa", "localstack", checkout)),
    "stacks": (StackFileError, touched.on_accounts),
    "open": (LocalError, lambda checkout: endpoints.load("localstack", {}, checkout)),
    "emulator": (LocalError, emulator.address),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_is_no_yaml_is_named(reader: str, tmp_path: Path) -> None:
    """A traceback of forty lines for a quotation mark that is missing."""
    (tmp_path / "Pulumi.localstack.yaml").write_text(BROKEN)
    error, read = READERS[reader]
    with pytest.raises(error, match=r"Pulumi\.localstack\.yaml can't be read as YAML: .* line 3, column 13"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["- headwater:aws\n", "config: [a]\n", "config: yes\n", "words\n"])
def test_a_file_without_settings_is_named(text: str, tmp_path: Path) -> None:
    """`'list' object has no attribute 'get'`."""
    file = tmp_path / "Pulumi.qa.yaml"
    file.write_text(text)
    with pytest.raises(StackFileError, match=r"Pulumi\.qa\.yaml: .* is no list of settings"):
        configuration(file)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "config:\n", "encryptionsalt: v1:x\n"])
def test_a_file_may_be_empty(text: str, tmp_path: Path) -> None:
    """The file that `pulumi stack init` writes, refused."""
    (tmp_path / "Pulumi.qa.yaml").write_text(text)
    assert configuration(tmp_path / "Pulumi.qa.yaml") == {}
