"""The project's own commands, as a user types them."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def headwater(*arguments: str, timeout: int = 900) -> str:
    """Output of one `cli/headwater` command; fails with its last lines."""
    done = subprocess.run(
        [ROOT / "cli" / "headwater", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"headwater {' '.join(arguments)}: {(done.stdout + done.stderr)[-3000:]}"
    return done.stdout
