"""How fast a scan asks: pages under way, items of a page, read units a second. Pure.

A throttled segment backs off alone and asks for half as many items, because one hot partition must
not stop the rest. Where more than half of the segments are throttled it is the table: half as many
pages are under way at once, and twice as much time lies between them. All of this comes back
slowly, a step for each ten quiet seconds.

`max_rcu` bounds the mean: what a page took is waited for before the next is asked for, and pages
that would take more than a second's share are asked for smaller, or one at a time. The units are
those that the answer names; where it names none they are counted by its bytes, which are more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cdc.backoff import delay_seconds

_BYTES_PER_UNIT = 4096
_PAGE_UNITS = 256.0  # a whole page of 1 MB, read strongly consistent
_LEAST_ITEMS = 10
_QUIET_SECONDS = 10.0
_LEAST_SPACING_SECONDS = 0.05
_THROTTLED_SECONDS = 10.0  # capacity comes back each second; a longer pause would leave it unused
_SHRINK_SECONDS = 1.0  # answers to pages that were asked for before a shrink say nothing of it


@dataclass(slots=True)
class _Segment:
    """`next_at` None: a page is under way or not committed. `limit` None: as many as fit."""

    next_at: float | None = 0.0
    failures: int = 0
    limit: int | None = None
    eased_at: float = 0.0


class ScanPace:
    """When each segment may be asked for a page, and for how much. Times are monotonic."""

    def __init__(self, segments: int, began_at: float, max_rcu: float | None) -> None:
        self._segments = [_Segment() for _ in range(segments)]
        self._max_rcu = max_rcu
        self._allowed_at = began_at
        self._under_way = 0
        self._window = segments
        self._shrunk_at = self._eased_at = began_at
        self._throttled: set[int] = set()
        self._spacing_seconds = 0.0
        self._spaced_until = began_at
        self._page_rows: int | None = None
        self._rows_per_unit = 1.0  # before the first page: no item up to 4 KB takes more

    def room(self, most: int) -> int:
        """How many more pages may be asked for, if at most `most` are to be under way."""
        bound = min(most, self._window)
        if self._max_rcu is not None:
            bound = min(bound, max(1, int(self._max_rcu / _PAGE_UNITS)))
        return max(0, bound - self._under_way)

    def is_due(self, segment: int, now: float) -> bool:
        """True if the segment may be asked now."""
        next_at = self._segments[segment].next_at
        return next_at is not None and max(next_at, self._resumes_at) <= now

    def next_at(self, segments: Iterable[int]) -> float | None:
        """When the first of these segments is due; None while all are under way."""
        times = [self._segments[segment].next_at for segment in segments]
        known = [time for time in times if time is not None]
        return max(self._resumes_at, min(known)) if known else None

    @property
    def _resumes_at(self) -> float:
        return max(self._allowed_at, self._spaced_until)

    def begin(self, segment: int, now: float) -> int | None:
        """A page is asked for; the number of items that it may have."""
        self._spaced_until = now + self._spacing_seconds
        self._under_way += 1
        self._segments[segment].next_at = None
        limits = (self._segments[segment].limit, self._share())
        return min((limit for limit in limits if limit is not None), default=None)

    def succeeded(
        self, segment: int, rows: int, units: float | None, size_bytes: int, now: float
    ) -> None:
        """A page came; it is not asked for the next one before `release`."""
        self._under_way -= 1
        self._throttled.discard(segment)
        pace = self._segments[segment]
        pace.failures = 0
        if units is None:
            units = float(-(-size_bytes // _BYTES_PER_UNIT))
        if self._max_rcu is not None:
            self._allowed_at = max(self._allowed_at, now) + max(1.0, units) / self._max_rcu
        if rows:
            self._page_rows, self._rows_per_unit = rows, rows / max(1.0, units)
        if pace.limit is not None and now - pace.eased_at >= _QUIET_SECONDS:
            # A page that stayed below its limit was ended by its size: the limit bounds nothing.
            pace.limit = None if rows < pace.limit else pace.limit * 2
            pace.eased_at = now
        if now - self._eased_at >= _QUIET_SECONDS:
            self._window = min(self._window + 1, len(self._segments))
            spacing = self._spacing_seconds / 2
            self._spacing_seconds = spacing if spacing >= _LEAST_SPACING_SECONDS else 0.0
            self._eased_at = now

    def release(self, segment: int, now: float) -> None:
        """What came is committed: the segment is due again."""
        self._segments[segment].next_at = now

    def failed(
        self, segment: int, *, is_throttled: bool, unfinished: int, now: float, jitter: float
    ) -> None:
        """A page was refused. `unfinished`: how many segments are not done."""
        self._under_way -= 1
        pace = self._segments[segment]
        pace.failures += 1
        if not is_throttled:
            pace.next_at = now + delay_seconds(pace.failures, jitter)
            return
        pace.next_at = now + delay_seconds(pace.failures, jitter, most_seconds=_THROTTLED_SECONDS)
        self._throttled.add(segment)
        before = pace.limit or self._page_rows or 1000
        pace.limit, pace.eased_at = max(_LEAST_ITEMS, before // 2), now
        if 2 * len(self._throttled) > unfinished and now - self._shrunk_at >= _SHRINK_SECONDS:
            self._window = max(1, self._window // 2)
            spacing = max(_LEAST_SPACING_SECONDS, 2 * self._spacing_seconds)
            self._spacing_seconds = min(_THROTTLED_SECONDS, spacing)
            self._spaced_until = now + self._spacing_seconds
            self._shrunk_at = self._eased_at = now

    def told(self, segment: int) -> str:
        """What is done about throttling now, for people."""
        limit = self._segments[segment].limit
        pages = "whole pages" if limit is None else f"pages of {limit} items"
        apart = f", {self._spacing_seconds:.2g} s apart" if self._spacing_seconds else ""
        bound = "" if self._max_rcu is None else f"; scan_max_rcu is {self._max_rcu:,g}"
        return f"asking for {pages}, {self._window} at once{apart}{bound}"

    def _share(self) -> int | None:
        """Items that take a second's share of `max_rcu`; None if a whole page takes no more."""
        if self._max_rcu is None or self._max_rcu >= _PAGE_UNITS:
            return None
        return max(1, int(self._rows_per_unit * self._max_rcu))
