"""What a tap tells Headwater's target in a stream's schema; other targets ignore it."""

from __future__ import annotations

NOTES = "x-headwater-notes"
"""Of a schema: what is told of the stream, as objects with the texts `message` and `decision`."""
OWN = "x-headwater-own"
"""Of a column: it is the source's, whatever its name says to the target."""
