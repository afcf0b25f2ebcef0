"""Reads Dagster Pipes messages from the lines of a pod's log."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD, PipesDefaultMessageWriter


class LogLineMessageReader(dg.PipesMessageReader):
    """Takes each line of the log by `take`; what is no message goes to standard output."""

    def __init__(self, wants: Callable[[Mapping[str, Any]], None], say: Callable[[str], None]) -> None:
        """`wants` gets the share and the number of `pods` that the run asks for to read with it; `say` its progress."""
        self._handler: dg.PipesMessageHandler | None = None
        self._wants, self._say = wants, say

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[dict[str, Any]]:
        """Tell the process to write its messages to its standard error, which ends in the log."""
        self._handler = handler
        try:
            yield {PipesDefaultMessageWriter.STDIO_KEY: PipesDefaultMessageWriter.STDERR}
        finally:
            self._handler = None

    def take(self, line: str) -> bool:
        """Handle one line; return whether it was ordinary text."""
        message = _message(line)
        if message is None or self._handler is None:
            print(line, flush=True)
            return True
        self._handler.handle_message(message)
        match message:
            case {"params": {"payload": {"headwater/readers": {"share": str(), "pods": int()} as wanted}}}:
                self._wants(wanted)
            case {"params": {"payload": {"headwater/progress": str(progress)}}}:
                self._say(progress)
        return False

    def no_messages_debug_text(self) -> str:
        """Say where messages were looked for."""
        return "Looked for messages in the log of the Job's pod."


def _message(line: str) -> Any:
    if PIPES_PROTOCOL_VERSION_FIELD not in line:
        return None
    try:
        message = json.loads(line)
    except json.JSONDecodeError:
        return None
    return message if isinstance(message, dict) and PIPES_PROTOCOL_VERSION_FIELD in message else None
