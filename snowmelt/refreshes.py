"""A table that is read anew now and then: when, whether a load goes on, may its file go live. Pure.

    data_at = begin of the scan, because what was written before it is in the file
    due_at  = end of the scan + interval; beyond it what is served is labelled stale

An interrupted load goes on, unless it lay still for longer than an interval and for longer than it
had taken: then it would bring old rows in beside new ones, and is begun anew. Times are epoch
seconds of the service's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdc.checkpoint import Checkpoint
from snapshotter.objections import has_vanished


def due_at(served: Checkpoint, interval_seconds: float) -> float:
    """When the next refresh is due; a file that was never finished is due at once."""
    ended_at = served.scan.ended_at
    return 0.0 if ended_at is None else ended_at + interval_seconds


def goes_on(
    begun: Checkpoint, served: Checkpoint | None, *, now: float, interval_seconds: float
) -> bool:
    """True if the load of a second file is continued, or what it loaded is used."""
    is_older = served is not None and begun.lineage.epoch <= served.lineage.epoch
    if begun.lineage.has_stream or is_older or begun.updated_at is None:
        return False
    worked = begun.updated_at - begun.scan.started_at
    return now - begun.updated_at <= max(interval_seconds, worked)


def why_refused(row_count: int, before: int, *, allow_empty: bool) -> str | None:
    """Why a file of so many rows may not replace one of `before` (0: there is none), or None."""
    if allow_empty:
        return None
    if has_vanished(row_count, before):
        return f"{row_count} items were read, and what is served has {before}"
    return "it is empty" if row_count == 0 else None


def described(
    served: Checkpoint | None,
    interval_seconds: float,
    *,
    now: float,
    completed: int,
    failed: int,
) -> Mapping[str, Any]:
    """What the status says of it. Unknown is None; totals count since the process began."""
    scan = None if served is None else served.scan
    is_known = scan is not None and scan.ended_at is not None
    return {
        "interval_seconds": interval_seconds,
        "data_at": scan.started_at if scan and is_known else None,
        "data_age_seconds": max(0.0, now - scan.started_at) if scan and is_known else None,
        "due_at": due_at(served, interval_seconds) if served and is_known else None,
        "completed_total": completed,
        "failed_total": failed,
    }
