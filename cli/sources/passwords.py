"""Passwords of the sources on this machine: one file in Headwater's home folder, which only its owner may read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from localstack.errors import LocalError


def read(file: Path) -> dict[str, str]:
    """Return source → password; none where nothing was kept yet."""
    try:
        found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise LocalError(f"{file} is no JSON: {error}; correct it, or delete it and add the sources again") from error
    return found


def keep(file: Path, name: str, password: str) -> None:
    """Keep the password of a source."""
    _write(file, {**read(file), name: password})


def forget(file: Path, name: str) -> None:
    """Forget the password of a source; the file goes with the last."""
    left = {other: password for other, password in read(file).items() if other != name}
    if left:
        _write(file, left)
    else:
        file.unlink(missing_ok=True)


def _write(file: Path, passwords: dict[str, str]) -> None:
    # NamedTemporaryFile makes mode 0600; the rename is atomic, so no reader meets half a file.
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as scratch:
        json.dump(passwords, scratch, indent=2, sort_keys=True)
        scratch.flush()
        os.fsync(scratch.fileno())
    Path(scratch.name).replace(file)
