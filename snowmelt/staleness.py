"""When is a dataset ready, and when is what it serves labelled stale? Pure.

Ready is latched: caught up once, and the file is valid. A restart begins unready, because a replay
may move rows back; but where the source cannot be reached, nothing is replayed, so a complete file
is served at once and labelled. Falling behind later never takes readiness away, it sets the label.
"""

from __future__ import annotations

from dataclasses import dataclass

# Twice the longest pause between two polls of an idle table, its retries included.
STALE_AFTER_SECONDS = 60.0
UPSTREAM_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is served now."""

    ready: bool
    stale: bool


def judge_refreshed(*, file_is_complete: bool, is_due: bool) -> Standing:
    """Of a table that is read anew: any complete file is ready, and stale once a refresh is due."""
    return Standing(ready=file_is_complete, stale=file_is_complete and is_due)


def judge_followed(
    *, file_is_complete: bool, age_seconds: float | None, max_age_seconds: float
) -> Standing:
    """Of snapshots: any complete file is ready, and stale by the age of what is in it."""
    is_old = age_seconds is None or age_seconds > max_age_seconds
    return Standing(ready=file_is_complete, stale=file_is_complete and is_old)


def judge(
    *,
    caught_up: bool,
    was_ready: bool,
    file_is_complete: bool,
    is_old_by_policy: bool,
    lag_ms: float | None,
    upstream_away_seconds: float | None,
) -> Standing:
    """`caught_up`: in this process. `is_old_by_policy`: served while a newer file is being built.

    `upstream_away_seconds`: None while the source answers.
    """
    if is_old_by_policy:
        return Standing(ready=file_is_complete, stale=file_is_complete)
    away = upstream_away_seconds is not None and upstream_away_seconds >= UPSTREAM_PATIENCE_SECONDS
    ready = was_ready or caught_up or (away and file_is_complete)
    behind = lag_ms is None or lag_ms > STALE_AFTER_SECONDS * 1000
    return Standing(ready=ready, stale=ready and (behind or (away and not caught_up)))
