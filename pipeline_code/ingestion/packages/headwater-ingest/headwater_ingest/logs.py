"""Turns Meltano's JSON log lines into short readable ones."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_NOISE = (
    "METRIC: ",
    "Skipping parse of env var settings",
    "Using systemdb state backend",
    "DeprecationWarning",
)
_WIDTH = 16
_EXCEPTION = re.compile(r"([A-Za-z_]\w*\.)*\w*(Error|Exception): ")
"""Last line of a traceback: plugins write it to standard error, and Meltano passes it on as information."""
_PROGRESS = re.compile(r"\bProgress of .*")
"""How far a tap has come with a long read, in its own words."""


@dataclass(frozen=True)
class LogLine:
    """One event: its time of day in UTC, its level in lower case, the plugin (or meltano) that said it, the text."""

    time: str
    level: str
    source: str
    text: str

    @property
    def is_error(self) -> bool:
        """Whether the line belongs into the summary of a failed run."""
        return self.level in {"error", "critical"}

    @property
    def progress(self) -> str | None:
        """How far a long read has come; None for a line about anything else."""
        found = _PROGRESS.search(self.text)
        return None if found is None else found[0]

    def __str__(self) -> str:
        """Return `02:51:57 tap-shop         | text`, with the level where it is above info."""
        level = "" if self.level in {"info", "debug"} else f"{self.level.upper()}: "
        return f"{self.time} {self.source:<{_WIDTH}} | {level}{self.text}"


def parse(line: str) -> LogLine | None:
    """Return the event of a line of `meltano --log-format json`; None for noise. Other text is kept as it is."""
    text = line.rstrip("\n")
    try:
        event = json.loads(text)
    except json.JSONDecodeError:
        return LogLine("        ", "info", "meltano", text) if text else None
    if not isinstance(event, dict):
        return LogLine("        ", "info", "meltano", text)
    message = str(event.get("event", ""))
    if not message or any(noise in message for noise in _NOISE):
        return None
    if (error := event.get("err") or event.get("error")) is not None:
        message = f"{message}: {error}"
    source = str(event.get("string_id", "meltano"))
    level = "error" if _EXCEPTION.match(message) else str(event.get("level", "info"))
    return LogLine(str(event.get("timestamp", ""))[11:19], level, source, message)
