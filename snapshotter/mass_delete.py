"""The breaker of the live feed: when has a table lost so many rows that a person should look. Pure.

Rows are counted at the start, whenever deletes since the last count could matter, and twice in a
window; lost is what lies between the most rows of the window and those of now. So a table whose
items are replaced loses nothing, and one that shrinks by a little with each snapshot does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from snapshotter.objections import Bounds, has_shrunk, has_vanished

# A count of a large table is a read of it: not for deletes that are fewer than a twentieth.
_SHARE_OF_A_COUNT = 0.05


@dataclass(frozen=True, slots=True)
class Count:
    """`rows` at a monotonic time; `deletes`: how many had been committed by then, in all."""

    at: float
    rows: int
    deletes: int


@dataclass(frozen=True, slots=True)
class Feed:
    """Counts of one lineage within a window, oldest first."""

    lineage_id: str
    window_seconds: float
    counts: tuple[Count, ...] = ()

    def wants_count(self, now: float, deletes: int) -> bool:
        """True if rows should be counted again."""
        if not self.counts:
            return True
        last = self.counts[-1]
        few = max(1.0, last.rows * _SHARE_OF_A_COUNT)
        return deletes - last.deletes >= few or now - last.at >= self.window_seconds / 2

    def counted(self, count: Count) -> Feed:
        """With a newer count, and without those that the window has left behind."""
        begins = count.at - self.window_seconds
        kept = tuple(each for each in self.counts if each.at >= begins)
        return replace(self, counts=(*kept, count))

    def lost(self, bounds: Bounds) -> str | None:
        """What was lost within the window, for people; None if no more than may be."""
        if not self.counts:
            return None
        now = self.counts[-1].rows
        most = max(each.rows for each in self.counts)
        if not (has_shrunk(now, most, bounds) or has_vanished(now, most)):
            return None
        minutes = self.window_seconds / 60
        return f"{most - now} of {most} rows are gone within {minutes:.0f} min"
