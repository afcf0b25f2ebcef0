"""Tap and target side by side in this process, as a pipe of two commands: named pipes need both at once."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any

from conftest import Shop
from target_iceberg.settings import Settings
from target_iceberg.target import Target


@contextmanager
def _standard(**streams: Any) -> Any:
    before = {name: getattr(sys, name) for name in streams}
    for name, stream in streams.items():
        setattr(sys, name, stream)
    try:
        yield
    finally:
        for name, stream in before.items():
            setattr(sys, name, stream)


def run(shop: Shop, send: Callable[[], None]) -> None:
    """Run the target over what `send` writes to standard output; keep the state that the target lets go of.

    What the tap raises is raised: the target then only says that its input ended.
    """
    chosen = Settings.of({"catalog": shop.lake, "namespace": shop.namespace, **shop.contracts})
    reading, writing = os.pipe()
    incoming, outgoing, said = os.fdopen(reading, "r"), os.fdopen(writing, "w"), io.StringIO()
    raised: list[BaseException] = []

    def tap() -> None:
        try:
            send()
        except BaseException as error:
            raised.append(error)
        finally:
            with suppress(OSError):
                outgoing.flush()
            sys.stdout = said  # before the target can see the end, and write its state
            with suppress(OSError):
                outgoing.close()

    thread = threading.Thread(target=tap, name="tap")
    failed: list[BaseException] = []
    with _standard(stdin=incoming, stdout=outgoing):
        thread.start()
        try:
            Target(chosen).listen(iter(incoming.readline, ""))
        except BaseException as error:
            failed.append(error)
        finally:
            incoming.close()
            thread.join()
    for line in said.getvalue().splitlines():
        shop.state = json.loads(line)
    for error in (*(each for each in raised if not _is_end(each)), *failed, *raised):
        raise error


def _is_end(error: BaseException) -> bool:
    """Whether the tap only says that the target is gone."""
    return isinstance(error, BrokenPipeError) or type(error).__name__ == "NoReaderError"
