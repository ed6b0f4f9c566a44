"""What a follower does on a look at the pointer, and when it looks again. Pure.

Which snapshot is taken is the decision of role edge (`restorer.decision`): hold, rollback,
quarantine and what was rejected before are its rules. Here is what a follower adds: where it stands
beside the newest snapshot, and its pauses.
"""

from __future__ import annotations

from dataclasses import dataclass

from restorer.decision import decide
from restorer.facts import Facts, LocalFile, Policy, Published
from restorer.verdict import Decision
from snapshotter.format import CatalogEntry, Pointer

# A node that serves nothing asks more often: somebody waits for it.
_WAITING_SECONDS = 5.0
_LONGEST_SECONDS = 600.0
_SPREAD = 0.1
_MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Look:
    """What a pointer means for a follower. `newest`: the snapshot that followers should be at."""

    decision: Decision
    newest: CatalogEntry | None
    held_because: str | None

    @property
    def is_wanted(self) -> bool:
        """True if there is something to fetch."""
        return self.decision.chosen is not None


def look_at(pointer: Pointer, local: LocalFile, policy: Policy, facts: Facts) -> Look:
    """What to do now that this is the pointer."""
    newest = None if pointer.current is None else pointer.entry(pointer.current)
    return Look(
        decision=decide(Published.of(pointer), local, policy, facts),
        newest=newest,
        held_because=pointer.hold,
    )


def versions_between(local: LocalFile, newest: CatalogEntry | None) -> int | None:
    """Commits by which a file is behind; None where they cannot be compared."""
    if newest is None or local.lineage is None or local.lineage.id != newest.lineage_id:
        return None
    return newest.version - local.version


def pause_seconds(interval_seconds: float, failures: int, *, serves: bool, chance: float) -> float:
    """How long to rest before the next look. `failures`: in a row. `chance`: at random, below 1.

    Nodes that were started together part by a tenth of the interval each time; while the store is
    away they go apart by half of a pause that doubles.
    """
    base = interval_seconds if serves else min(interval_seconds, _WAITING_SECONDS)
    if failures == 0:
        return base * (1 - _SPREAD + 2 * _SPREAD * chance)
    longest = max(_LONGEST_SECONDS, interval_seconds) if serves else _LONGEST_SECONDS / 10
    grown = min(base * 2.0 ** min(failures, _MOST_DOUBLINGS), longest)
    return grown * (0.5 + 0.5 * chance)
