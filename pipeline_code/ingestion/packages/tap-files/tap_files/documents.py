"""JSON that is not one object per line: an array of objects, or objects over several lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
MOST_BYTES = 256 << 20
"""Text of a file that is held in memory; a larger one has to be an object a line."""


def documents(text: bytes) -> Iterator[bytes]:
    """Yield the objects of a text, those of an array one by one. ValueError where there is anything else between."""
    is_array = text.lstrip()[:1] == b"["
    top = 1 if is_array else 0
    depth, begin, end = 0, 0, 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case b"{" | b"[":
                if depth == top:
                    begin = token.start()
                    _check_between(text[end:begin], is_array=is_array)
                depth += 1
            case b"}" | b"]":
                depth -= 1
                if depth == top:
                    end = token.end()
                    yield text[begin:end]
                elif depth < top:
                    _check_between(text[end : token.start()], is_array=is_array)
                    end = token.end()
            case _ if depth == top:
                raise ValueError("a text stands where an object should be")
    if depth or text[end:].strip():
        raise ValueError("the last object has no end")


def _check_between(text: bytes, *, is_array: bool) -> None:
    if text.strip(b", \t\r\n[" if is_array else b" \t\r\n"):
        raise ValueError("what stands between two objects is none")
