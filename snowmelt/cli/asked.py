"""Words of the command line that ask for a state or a time, as values. All raise UsageError."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restorer.facts import Selection


def selection(snapshot: str | None, at: str | None, data_version: int | None) -> Selection:
    """What was asked for."""
    from restorer.facts import Selection
    from snowmelt.errors import UsageError

    if sum(value is not None for value in (snapshot, at, data_version)) > 1:
        raise UsageError(
            "--snapshot, --at and --data-version exclude each other", hint="give only one of them"
        )
    moment = None if at is None else instant("--at", at)
    return Selection(snapshot_id=snapshot, at=moment, data_version=data_version)


def instant(option: str, text: str) -> float:
    """An RFC 3339 time as epoch seconds."""
    from snowmelt.errors import UsageError

    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "write e.g. 2026-11-22T10:00:00Z"
        raise UsageError(f"{option} {text} is not an RFC 3339 time", hint=hint) from error
    if parsed.tzinfo is None:
        raise UsageError(f"{option} {text} has no time zone", hint="append Z for UTC")
    return parsed.timestamp()


def duration(option: str, text: str | None) -> float | None:
    """A duration in seconds."""
    from snowmelt.durations import parse_duration
    from snowmelt.errors import UsageError

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        what = f"{option} {text} is not a duration"
        raise UsageError(what, hint="write e.g. 10m") from error
