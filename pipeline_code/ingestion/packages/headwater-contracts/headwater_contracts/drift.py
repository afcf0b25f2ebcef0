"""The ways in which a source may change, and the possible actions for each."""

from __future__ import annotations

from enum import StrEnum


class Drift(StrEnum):
    """A change of the source. docs/contracts.md says what is done about each."""

    NEW_COLUMN = "new_column"
    MISSING_COLUMN = "missing_column"
    TYPE_WIDENED = "type_widened"
    TYPE_CHANGED = "type_changed"
    NULLABLE = "nullable"
    KEY_CHANGED = "key_changed"
    KEY_DROPPED = "key_dropped"
    DUPLICATE_KEY = "duplicate_key"
    EMPTIED = "emptied"


class Action(StrEnum):
    """Accept: apply the change and say nothing. warn, error: apply it and say so. fail: load nothing of the stream."""

    ACCEPT = "accept"
    WARN = "warn"
    ERROR = "error"
    FAIL = "fail"


DEFAULTS: dict[Drift, Action] = {
    Drift.NEW_COLUMN: Action.WARN,
    Drift.MISSING_COLUMN: Action.WARN,
    Drift.TYPE_WIDENED: Action.WARN,
    Drift.TYPE_CHANGED: Action.ERROR,
    Drift.NULLABLE: Action.WARN,
    Drift.KEY_CHANGED: Action.FAIL,
    Drift.KEY_DROPPED: Action.WARN,
    Drift.DUPLICATE_KEY: Action.ERROR,
    Drift.EMPTIED: Action.FAIL,
}
