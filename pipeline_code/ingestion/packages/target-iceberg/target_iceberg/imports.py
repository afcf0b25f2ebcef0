"""Imports of third-party modules that a run hardly ever needs: delayed until their first use."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

RARE = frozenset({"strictyaml", "pyiceberg.expressions.parser"})
"""Of pyiceberg: its configuration file's parser, and the parser of filters that are written as text.

A load of one record (`target-iceberg < FILE`, 8 pairs in turn, busy machine): 2.37 CPU-s, and 2.62 with this empty.
"""


class _Rarely:
    """Finds modules of RARE as the other finders do, and puts their execution off."""

    def __init__(self) -> None:
        self._searching = False

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if name not in RARE or self._searching:
            return None
        self._searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextmanager
def rarely_used() -> Iterator[None]:
    """While the context lasts, modules of RARE are imported lazily."""
    finder = _Rarely()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
