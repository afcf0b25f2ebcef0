"""Data and delete files: written, passed through, described by statistics."""
