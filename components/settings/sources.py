"""The passwords of the sources that `make source` added: one for each of their Meltano files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pulumi

from components.settings.base import PROJECT
from components.settings.encrypted import SOURCE_PASSWORDS

PASSWORDS_FILE = "HEADWATER_SOURCE_PASSWORDS_FILE"
FOLDER = Path(__file__).parents[2] / "pipeline_code" / "ingestion" / "sources"
SUFFIX = ".meltano.yml"


def added_sources(folder: Path = FOLDER) -> list[str]:
    """Return the names of the sources whose Meltano file asks for a password; files need none."""
    found = {path.name.removesuffix(SUFFIX): path.read_text(encoding="utf-8") for path in folder.glob(f"*{SUFFIX}")}
    return sorted(name for name, text in found.items() if f"${variable(name)}" in text)


def variable(name: str) -> str:
    """Return the environment variable of a source's password."""
    return f"{name.upper()}_PASSWORD"


def source_passwords(
    config: pulumi.Config, names: Iterable[str], environment: Mapping[str, str] | None = None
) -> dict[str, pulumi.Output[str]]:
    """Return variable → password of the sources `names`: CRM_PASSWORD for source crm.

    From `headwater:sourcePasswords` in the stack's encrypted configuration, else from the file that
    HEADWATER_SOURCE_PASSWORDS_FILE names. A source without one is named in a warning: only its own runs fail.
    Raises pulumi.RunError for passwords in plain text, or a file that is no JSON object.
    """
    known: Any = config.get_object(SOURCE_PASSWORDS)
    if known is not None and not pulumi.runtime.config.is_config_secret(f"{PROJECT}:{SOURCE_PASSWORDS}"):
        raise pulumi.RunError(
            f"{PROJECT}:{SOURCE_PASSWORDS} is in plain text: `pulumi config set --secret --path "
            f"'{SOURCE_PASSWORDS}.<source>'` asks for a password and encrypts it"
        )
    file = (os.environ if environment is None else environment).get(PASSWORDS_FILE)
    found = {**_kept(file), **({} if known is None else known)}
    passwords = {}
    for name in names:
        if name in found:
            passwords[variable(name)] = pulumi.Output.secret(str(found[name]))
        else:
            pulumi.log.warn(
                f"source {name} has no password on this stack, so its runs will fail: "
                f"`pulumi config set --secret --path '{SOURCE_PASSWORDS}.{name}'`; on the dev stack `make source add=…`"
            )
    return passwords


def _kept(file: str | None) -> dict[str, str]:
    if file is None or not Path(file).exists():
        return {}
    try:
        found: Any = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise pulumi.RunError(f"{PASSWORDS_FILE} names {file}, which can't be read as JSON") from error
    if not isinstance(found, dict):
        raise pulumi.RunError(f"{PASSWORDS_FILE} names {file}, which is no object of source: password")
    return found
