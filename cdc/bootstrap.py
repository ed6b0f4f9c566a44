"""The scan of a bootstrap: segments, progress, rate. Pure.

The checkpoint is taken before the scan and the stream is read beside it, so that a scan may take
longer than the stream keeps records. A page's rows and the key to go on from are committed
together; a key belongs to its segment *and* to the number of segments, so an interrupted scan goes
on with the number it began with. Pages of different segments may share a commit. How fast it asks
is decided by `cdc.scan_pace`. Times are those of one monotonic clock, except where said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cdc.checkpoint import ScanProgress, SegmentProgress
from cdc.errors import CdcError, Throttled
from cdc.records import ScanPage
from cdc.scan_pace import ScanPace

# Items below which so many segments do; a scan of a small table in many segments costs a request
# each, and one in few is bound by the rate of a single partition.
_SEGMENTS = ((1_000, 1), (10_000, 2), (100_000, 4), (1_000_000, 8), (10_000_000, 16))
_SEGMENTS_BY_ITEMS = 32
_SEGMENT_BYTES = 2 * 10**9  # AWS's hint
_NOW = " (now "  # what is done about throttling, behind what a person may do
_MOST_SEGMENTS = 512  # each stands in every checkpoint until the scan has ended


def segments_for(item_count: int, size_bytes: int) -> int:
    """How many segments a table of this size is scanned in."""
    by_items = next((n for below, n in _SEGMENTS if item_count < below), _SEGMENTS_BY_ITEMS)
    return min(_MOST_SEGMENTS, max(by_items, -(-size_bytes // _SEGMENT_BYTES)))


def begin_scan(segments: int, started_at: float, excluded: Iterable[str] = ()) -> ScanProgress:
    """Progress of a scan that begins. `started_at`: service time."""
    progress = tuple(SegmentProgress() for _ in range(segments))
    return ScanProgress(started_at, progress, excluded=tuple(sorted(excluded)))


@dataclass(frozen=True, slots=True)
class ScanAsk:
    """A page to ask for. `start_key` None: from the start; `limit` None: as many as fit."""

    segment: int
    total_segments: int
    start_key: str | None
    limit: int | None


class ScanRun:
    """A scan under way: which segment wants a page, and what the next commit covers."""

    def __init__(self, progress: ScanProgress, began_at: float, max_rcu: float | None) -> None:
        self._segments = list(progress.segments)
        self._progress = progress
        self._pace = ScanPace(len(progress.segments), began_at, max_rcu)
        self._uncommitted: list[int] = []
        self._began_at = began_at
        self._rows_before = progress.rows

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

    def ask(self, now: float, most: int) -> list[ScanAsk]:
        """Pages to ask for now, with at most `most` under way; they count as asked for."""
        room, asked = self._pace.room(most), list[ScanAsk]()
        for n in self._unfinished():
            if len(asked) < room and self._pace.is_due(n, now):
                limit = self._pace.begin(n, now)
                asked.append(ScanAsk(n, self.total_segments, self._segments[n].last_key, limit))
        return asked

    def next_at(self, most: int) -> float | None:
        """The earliest time at which a page will be asked for; None until one comes back."""
        return self._pace.next_at(self._unfinished()) if self._pace.room(most) else None

    def hand_over(self, segment: int, page: ScanPage, size_bytes: int, now: float) -> None:
        """A page joined the pending batch. The segment's next one is asked for behind the commit.

        So a kill costs at most one page of each segment; the others go on meanwhile.
        """
        before = self._segments[segment]
        rows = len(page.items)
        self._segments[segment] = SegmentProgress(
            last_key=page.last_key, done=page.last_key is None, rows=before.rows + rows
        )
        self._pace.succeeded(segment, rows, page.capacity_units, size_bytes, now)
        self._uncommitted.append(segment)

    def failed(self, segment: int, error: CdcError, now: float, jitter: float) -> None:
        """A page was refused: this segment backs off. A throttled one says how from then on."""
        is_throttled = isinstance(error, Throttled)
        self._pace.failed(
            segment,
            is_throttled=is_throttled,
            unfinished=self.total_segments - self.segments_done,
            now=now,
            jitter=jitter,
        )
        if is_throttled:
            advice = error.hint.partition(_NOW)[0]
            error.hint = f"{advice}{_NOW}{self._pace.told(segment)})"

    def _unfinished(self) -> list[int]:
        return [n for n, segment in enumerate(self._segments) if not segment.done]

    def progress(self, service_now: float) -> ScanProgress:
        """What the commit of all pages handed over says; their segments are due again behind it.

        `service_now` becomes the scan's end.
        """
        for segment in self._uncommitted:
            self._pace.release(segment, self._began_at)
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
