"""The bookmarks of streams in a Singer state, and what a tap that announces its reading says in them."""

from __future__ import annotations

from typing import Any


def bookmark_of(state: dict[str, Any] | None, stream: str) -> Any:
    """Return a stream's bookmark; None where there is none."""
    return ((state or {}).get("bookmarks") or {}).get(stream)


def set_bookmark(state: dict[str, Any] | None, stream: str, bookmark: dict[str, Any]) -> None:
    """Put a bookmark into a state that has any; an empty one takes the stream's out."""
    bookmarks = (state or {}).get("bookmarks")
    if not isinstance(bookmarks, dict):
        return
    if bookmark:
        bookmarks[stream] = bookmark
    else:
        bookmarks.pop(stream, None)


def announces(bookmark: Any) -> bool:
    """Whether a bookmark says that its stream is being read: our tap marks it so before the first row.

    What else the bookmark holds is then where the tap began.
    """
    return isinstance(bookmark, dict) and "progress_markers" in bookmark


def announced(state: dict[str, Any] | None) -> set[str]:
    """Return the streams that a state says are being read, or are to be read in this run."""
    return {stream for stream, bookmark in ((state or {}).get("bookmarks") or {}).items() if announces(bookmark)}


def rows_sent(bookmark: Any) -> int | None:
    """Return how many rows of a stream its tap says that it has sent, which is taken out; None if it does not say."""
    return bookmark.pop("rows_sent", None) if isinstance(bookmark, dict) else None


def attempt(bookmark: Any) -> int:
    """Return how often a stream's reading was begun in this run, as its bookmark says."""
    return int(bookmark["progress_markers"].get("attempt", 1)) if announces(bookmark) else 1
