"""The engine, and the folder of a run's scratch files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

KEPT_BYTES = 2 << 30
"""Text of files that is kept on the disk between the look at its values and its way to the target."""
MEMORY = "512MB"


class Scratch:
    """DuckDB without extensions and network, and a folder. Close it after the run; else the folder goes with it."""

    def __init__(self) -> None:
        """Make both."""
        self._temporary = tempfile.TemporaryDirectory(prefix="tap-files-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.duck = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "threads": "1",  # rows stay in the file's order, and the target encodes meanwhile
                "memory_limit": MEMORY,
                "temp_directory": str(self.folder / "engine"),
            }
        )
        self.duck.execute("set TimeZone = 'UTC'")
        # After two seconds of a query it would be drawn on standard output, between the tap's messages.
        self.duck.execute("set enable_progress_bar = false")
        self._kept = 0

    def keep(self, path: Path) -> bool:
        """Keep a file for a second look, if there is room; else it is made anew then. Return whether it is kept."""
        size = path.stat().st_size
        if self._kept + size > KEPT_BYTES:
            path.unlink()
            return False
        self._kept += size
        return True

    def drop(self, path: Path) -> None:
        """Delete a file."""
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        self.duck.close()
        self._temporary.cleanup()
