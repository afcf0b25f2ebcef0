"""Errors about files or settings, worded so that the reader knows what to do."""

from __future__ import annotations


class FilesError(RuntimeError):
    """Files can't be found or read, or a setting is wrong; the message names the place and the way out."""
