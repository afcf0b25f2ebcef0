"""Deletes files that are not needed after all."""

from __future__ import annotations

import logging

from pyiceberg.io import FileIO

logger = logging.getLogger(__name__)


def remove(io: FileIO, path: str) -> None:
    """Delete a file that no snapshot holds; one that can't be deleted stays, for `target-iceberg-tables orphans`.

    This is done where something else went wrong before, and that is what the run has to end with: an object store that
    is gone fails here too, and has no file whose upload broke off.
    """
    try:
        io.delete(path)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s was written for nothing and could not be deleted: %s", path, error)
