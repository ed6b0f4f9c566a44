"""Which snapshots go: `keep_last` and `keep_for` over the whole catalog. Pure.

A snapshot is kept if one of the two keeps it. Whatever they say, nothing goes that is pinned or
current, nor the newest two good ones: what a new node takes, and what a rollback would go back to;
nor the newest good one that shares no object with those, nor the newest one that a drill proved.
Quarantined ones are not counted by `keep_last`, and go with the good ones around them.
"""

from __future__ import annotations

from dataclasses import dataclass

from snapshotter.catalog import candidates
from snapshotter.format import CatalogEntry, Pointer
from snapshotter.independence import second_set
from snapshotter.proofs import newest_proven

_LEAST_GOOD = 2


@dataclass(frozen=True, slots=True)
class Retention:
    """`keep_last`: so many good snapshots. `keep_for`: seconds since they were made."""

    keep_last: int | None = None
    keep_for: float | None = None

    @property
    def keeps_all(self) -> bool:
        """True if nothing was said, so that nothing goes."""
        return self.keep_last is None and self.keep_for is None


def to_go(pointer: Pointer, retention: Retention, now: float) -> tuple[CatalogEntry, ...]:
    """Entries that retention does not keep, newest first. `pointer` has the whole catalog."""
    if retention.keeps_all:
        return ()
    good = list(candidates(pointer.catalog, pointer.current))
    needed = {pointer.current, *(entry.snapshot_id for entry in good[:_LEAST_GOOD])}
    if (spare := second_set(good)) is not None:
        needed.add(spare.snapshot_id)
    if (proven := newest_proven(good, None)) is not None:
        needed.add(proven.snapshot_id)
    going, counted = [], 0
    for entry in pointer.catalog:
        is_counted = counted < (retention.keep_last or 0)
        counted += entry.quarantined is None
        age, keep_for = now - entry.created_at, retention.keep_for
        is_young = keep_for is not None and age < keep_for
        is_kept = is_counted or is_young or entry.pinned is not None
        if not is_kept and entry.snapshot_id not in needed:
            going.append(entry)
    return tuple(going)
