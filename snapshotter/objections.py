"""What speaks against a state as the newest snapshot of its dataset. Pure.

A snapshot is where new nodes begin, so one of a stream that is dead, of a table that lost its rows,
or of a file that does not open would be inherited by all of them. Whoever publishes goes by this
list; a person may overrule what stands in OVERRULED, once, and never by a setting.

    stream   not_ready, stream_failing, stream_over: the state is not followed (any more)
             gap, expired, age_unknown: nobody could read on from it
             lagging: changes are missing that are older than a bound
    table    empty, shrunk: most rows are gone; small: most bytes are gone, and the rows are not
             keys_changed, columns_lost: readers would find another table
    file     unreadable, differs: the engine does not find in the image what the header would say
    bucket   expiring: the store deletes objects by itself; other_bucket: it is not the one that
             was taken over
    person   held, mass_delete: by hand, or by the breaker of the live feed; behind: this file
             does not cover what is published
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, get_args

from cdc.accelerator import FrozenImage, Reopened
from cdc.columns import Column, Columns
from cdc.keys import KeySchema
from cdc.widening import may_become
from snapshotter.format import CatalogEntry, Header

Reason = Literal[
    "gap",
    "expired",
    "age_unknown",
    "stream_over",
    "stream_failing",
    "not_ready",
    "lagging",
    "empty",
    "shrunk",
    "small",
    "keys_changed",
    "columns_lost",
    "unreadable",
    "differs",
    "expiring",
    "other_bucket",
    "held",
    "mass_delete",
    "behind",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
# Of the rest none is for a person to overrule by publishing: the snapshot would be of no use, or
# is somebody else's.
OVERRULED: frozenset[Reason] = frozenset(
    {
        *("gap", "expired", "age_unknown", "stream_over", "stream_failing", "not_ready"),
        *("lagging", "empty", "shrunk", "small", "keys_changed", "columns_lost", "expiring"),
    }
)
# What fewer rows come to; a person who releases a dataset after a mass delete has agreed to these.
OF_FEWER_ROWS: frozenset[Reason] = frozenset({"empty", "shrunk", "small"})

# A table of a few rows loses half of them in every other deployment.
_FEW_ROWS = 20
# Files of an engine breathe: sorting needs a second copy of all rows, a checkpoint gives it back.
_LEFT_OF_FILE = 0.1
_SMALL_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """`max_shrink`: the share of the rows that may be gone. `max_lag_seconds`: of the stream."""

    max_shrink: float = 0.5
    max_lag_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Where capture stands. `failing`: what it is told instead of records, for longer than weather.

    `lag_seconds` None: unknown.
    """

    ready: bool = True
    failing: str | None = None
    is_over: bool = False
    lag_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """`text` goes on behind "… is not published: "."""

    reason: Reason
    text: str


def of_stream(
    image: FrozenImage,
    stream: StreamFacts | None,
    resumable_until: float | None,
    previous: CatalogEntry | None,
    bounds: Bounds,
    *,
    now: float,
) -> list[Objection]:
    """What the checkpoint and the stream say. `stream` None: nobody follows it, as in a file alone.

    Of a table that is read without its stream nothing is resumed, so nothing can be too old.
    """
    checkpoint = image.checkpoint
    if not checkpoint.lineage.has_stream:
        return []
    found = _of_age(resumable_until, now, has_gap=checkpoint.retention_seconds == 0)
    if stream is None:
        return found
    if stream.is_over:
        found.append(Objection("stream_over", "its stream is disabled and read to its end"))
    if stream.failing is not None:
        found.append(Objection("stream_failing", f"its stream cannot be read: {stream.failing}"))
    if not stream.ready:
        found.append(Objection("not_ready", "it has not caught up with its stream yet"))
    lag = stream.lag_seconds
    if lag is not None and lag > bounds.max_lag_seconds and not _is_needed(previous, now):
        minutes, most = lag / 60, bounds.max_lag_seconds / 60
        text = f"changes of {minutes:.0f} min may be missing, more than {most:.0f} min"
        found.append(Objection("lagging", text))
    return found


def _of_age(until: float | None, now: float, *, has_gap: bool) -> list[Objection]:
    if has_gap:
        return [Objection("gap", "changes made since are in no stream")]
    if until is None:
        return [Objection("age_unknown", "the age of its checkpoint is unknown")]
    if until <= now:
        hours = (now - until) / 3600
        return [Objection("expired", f"its checkpoint expired {hours:.1f} h ago")]
    return []


def _is_needed(previous: CatalogEntry | None, now: float) -> bool:
    """True if a late state is better than what is published: half of that one's day is over."""
    if previous is None or previous.resumable_until is None:
        return True
    age = now - previous.created_at
    return previous.resumable_until - now < age


def of_table(
    image: FrozenImage,
    previous: CatalogEntry | None,
    header: Header | None,
    bounds: Bounds,
    *,
    allow_empty: bool,
) -> list[Objection]:
    """What rows and columns say, beside the last good snapshot and its header, if it is read."""
    found = []
    if previous is not None:
        found += of_rows(image.row_count, previous.row_count, bounds, allow_empty=allow_empty)
        size = sum(part.length for part in image.parts)
        was = previous.file_bytes
        if not found and was >= _SMALL_FILE_BYTES and size < was * _LEFT_OF_FILE:
            text = f"its file has {size} bytes, that of the published one {was}"
            found.append(Objection("small", text))
    if header is not None:
        found += _of_schema(image, header)
    return found


def of_rows(
    rows: int, before: int, bounds: Bounds, *, allow_empty: bool = False
) -> list[Objection]:
    """What the number of rows says, beside an earlier one; also of the live feed."""
    if has_vanished(rows, before):
        text = f"it is empty, and the published one has {before} rows"
        return [] if allow_empty else [Objection("empty", text)]
    if has_shrunk(rows, before, bounds):
        share, most = 100 * (1 - rows / before), 100 * bounds.max_shrink
        text = f"{share:.0f} % of its {before} rows are gone, more than {most:.0f} %"
        return [Objection("shrunk", text)]
    return []


def has_vanished(rows: int, before: int) -> bool:
    """True if nothing is left of a table."""
    return rows == 0 and before > 0


def has_shrunk(rows: int, before: int, bounds: Bounds) -> bool:
    """True if a table of `before` rows is left with so few that a person should look first."""
    return before >= _FEW_ROWS and rows < before * (1 - bounds.max_shrink)


def _of_schema(image: FrozenImage, header: Header) -> list[Objection]:
    found = []
    before = KeySchema.from_json(json.loads(header.keys))
    if image.keys != before:
        text = f"its keys are {_told(image.keys)}, those of the published one {_told(before)}"
        found.append(Objection("keys_changed", text))
    if image.checkpoint.lineage == header.checkpoint.lineage:
        lost = [
            column.name
            for column in Columns.decode(header.columns)
            if not _keeps(column, image.columns.get(column.name))
        ]
        if lost:
            names = ", ".join(lost[:5]) + (", …" if len(lost) > 5 else "")
            found.append(Objection("columns_lost", f"columns lost their type: {names}"))
    return found


def _keeps(before: Column, now: Column | None) -> bool:
    """True if a column holds what it held: it has its type, or a wider one."""
    return now is not None and (now == before or may_become(before, now))


def _told(keys: KeySchema) -> str:
    return " + ".join(f"{key.name} ({key.type})" for key in keys.attributes)


def of_image(image: FrozenImage, opened: Reopened | None) -> list[Objection]:
    """What the engine found in the frozen image; None for an image that no engine can open."""
    if opened is None:
        return []
    if opened.trouble is not None:
        return [Objection("unreadable", f"its frozen image does not open: {opened.trouble}")]
    pairs = (
        ("checkpoint", opened.checkpoint == image.checkpoint),
        ("columns", opened.columns == image.columns),
        ("rows", opened.row_count in (None, image.row_count)),
    )
    wrong = [what for what, is_equal in pairs if not is_equal]
    if not wrong:
        return []
    text = f"its frozen image holds other {' and '.join(wrong)} than the file"
    return [Objection("differs", text)]
