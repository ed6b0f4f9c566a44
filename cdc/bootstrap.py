"""The scan of a bootstrap: segments, progress, rate. Pure.

The checkpoint is taken before the scan and the stream is read beside it, so that a scan may take
longer than the stream keeps records. A page's rows and the key to go on from are committed
together; a key belongs to its segment *and* to the number of segments, so an interrupted scan goes
on with the number it began with. Pages of different segments may share a commit.

Capacity is counted as 4 KB a unit of the answer's bytes; on the wire an item is larger than in the
table, so a scan stays below `max_rcu`. Times are those of one monotonic clock, except where said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cdc.backoff import delay_seconds
from cdc.checkpoint import ScanProgress, SegmentProgress
from cdc.records import ScanPage

_BYTES_PER_UNIT = 4096
# Items below which so many segments do; a scan of a small table in many segments costs a request
# each, and one in few is bound by the rate of a single partition.
_SEGMENTS = ((1_000, 1), (10_000, 2), (100_000, 4), (1_000_000, 8), (10_000_000, 16))
_MOST_SEGMENTS = 32


def segments_for(item_count: int) -> int:
    """How many segments a table of so many items is scanned in."""
    return next((count for below, count in _SEGMENTS if item_count < below), _MOST_SEGMENTS)


def begin_scan(segments: int, started_at: float, excluded: Iterable[str] = ()) -> ScanProgress:
    """Progress of a scan that begins. `started_at`: service time."""
    progress = tuple(SegmentProgress() for _ in range(segments))
    return ScanProgress(started_at, progress, excluded=tuple(sorted(excluded)))


@dataclass(slots=True)
class _Segment:
    next_at: float | None = 0.0
    failures: int = 0


class ScanRun:
    """A scan under way: which segment wants a page, and what the next commit covers."""

    def __init__(self, progress: ScanProgress, began_at: float, max_rcu: float | None) -> None:
        self._segments = list(progress.segments)
        self._progress = progress
        self._pace = [_Segment() for _ in progress.segments]
        self._uncommitted: list[int] = []
        self._began_at = began_at
        self._rows_before = progress.rows
        self._max_rcu = max_rcu
        self._allowed_at = began_at

    @property
    def total_segments(self) -> int:
        """The number that the scan began with."""
        return len(self._segments)

    @property
    def segments_done(self) -> int:
        """Segments whose last page was handed over."""
        return sum(segment.done for segment in self._segments)

    @property
    def rows(self) -> int:
        """Items handed over, those of earlier runs included."""
        return sum(segment.rows for segment in self._segments)

    def is_over(self) -> bool:
        """True once every segment's last page was handed over."""
        return self._progress.ended_at is not None or self.segments_done == self.total_segments

    def due(self, now: float) -> list[tuple[int, str | None]]:
        """Segments that want a page, with the key to go on from."""
        if now < self._allowed_at:
            return []
        return [
            (number, segment.last_key)
            for number, (segment, pace) in enumerate(zip(self._segments, self._pace, strict=True))
            if not segment.done and pace.next_at is not None and pace.next_at <= now
        ]

    def next_at(self) -> float | None:
        """The earliest time at which a segment wants a page; None while all are under way."""
        times = [
            pace.next_at
            for segment, pace in zip(self._segments, self._pace, strict=True)
            if not segment.done and pace.next_at is not None
        ]
        return max(self._allowed_at, min(times)) if times else None

    def begin(self, segment: int) -> None:
        """A page was asked for."""
        self._pace[segment].next_at = None

    def hand_over(self, segment: int, page: ScanPage, size_bytes: int, now: float) -> None:
        """A page joined the pending batch. The segment's next one is asked for behind the commit.

        So a kill costs at most one page of each segment; the others go on meanwhile.
        """
        before = self._segments[segment]
        self._segments[segment] = SegmentProgress(
            last_key=page.last_key,
            done=page.last_key is None,
            rows=before.rows + len(page.items),
        )
        self._pace[segment] = _Segment(None)
        self._uncommitted.append(segment)
        if self._max_rcu is not None:
            units = max(1, -(-size_bytes // _BYTES_PER_UNIT))
            self._allowed_at = max(self._allowed_at, now) + units / self._max_rcu

    def failed(self, segment: int, now: float, jitter: float) -> None:
        """A page was refused: this segment alone backs off."""
        pace = self._pace[segment]
        pace.failures += 1
        pace.next_at = now + delay_seconds(pace.failures, jitter)

    def progress(self, service_now: float) -> ScanProgress:
        """What the commit of all pages handed over says; their segments are due again behind it.

        `service_now` becomes the scan's end.
        """
        for segment in self._uncommitted:
            self._pace[segment].next_at = self._began_at
        self._uncommitted.clear()
        ended_at = self._progress.ended_at
        if ended_at is None and self.is_over():
            ended_at = service_now
        self._progress = replace(self._progress, segments=tuple(self._segments), ended_at=ended_at)
        return self._progress

    def rows_per_second(self, now: float) -> float:
        """Mean rate of this run."""
        return (self.rows - self._rows_before) / max(now - self._began_at, 0.001)

    def eta_seconds(self, item_count: int, now: float) -> float | None:
        """Time left by the table's item count, which the service updates each six hours."""
        rate = self.rows_per_second(now)
        if self.is_over() or rate <= 0 or item_count <= self.rows:
            return None
        return (item_count - self.rows) / rate
