"""What a person says of a dataset's snapshots: each a function from a pointer to the next one.

    pin, unpin          retention keeps it, or not any more
    quarantine, lift    nobody restores it, nobody builds on it; or that was a mistake
    roll_back           an older snapshot is the current one, and what came behind it is quarantined
    hold, release       nothing is published or pruned until the release

A change that is no change returns the same pointer; one that must not be raises NoSuchSnapshot or
NotOffered. A pointer's catalog is taken for all there is: who passes one with older pages gets
NoSuchSnapshot for what lies there.

Going back raises the generation. A publish that is under way is of the one before and loses, and
whoever has a file or snapshot of before finds by the fork that it lies behind what was left. Pure.
"""

from __future__ import annotations

from dataclasses import replace

from snapshotter.catalog import by_id, with_generation
from snapshotter.errors import NoSuchSnapshot, NotOffered
from snapshotter.format import CATALOG_LIMIT, ROLLBACK_LIMIT, CatalogEntry, Pointer, Rollback
from snapshotter.gate import is_mass_delete

NO_REASON = "no reason given"


def pin(pointer: Pointer, snapshot_id: str, reason: str = NO_REASON) -> Pointer:
    """Retention keeps the snapshot, quarantined or not."""
    return with_entry(pointer, replace(find(pointer, snapshot_id), pinned=reason))


def unpin(pointer: Pointer, snapshot_id: str) -> Pointer:
    """Retention decides again."""
    return with_entry(pointer, replace(find(pointer, snapshot_id), pinned=None))


def quarantine(pointer: Pointer, snapshot_id: str, reason: str = NO_REASON) -> Pointer:
    """Nobody restores the snapshot any more; who follows goes back to the newest good one."""
    return with_entry(pointer, replace(find(pointer, snapshot_id), quarantined=reason))


def lift(pointer: Pointer, snapshot_id: str) -> Pointer:
    """Take a quarantine back. The current snapshot stays the current one."""
    return with_entry(pointer, replace(find(pointer, snapshot_id), quarantined=None))


def roll_back(
    pointer: Pointer, snapshot_id: str, reason: str = NO_REASON, *, holds: bool = True
) -> Pointer:
    """Make a good snapshot the current one, and quarantine those in front of it.

    `holds`: hold the dataset in the same write, or a node that publishes would be faster.
    """
    target = find(pointer, snapshot_id)
    why = f"rolled back to {snapshot_id}: {reason}"
    if target.quarantined is not None:
        raise NotOffered(
            f"{snapshot_id} is quarantined: {target.quarantined}",
            hint=f"take another one, or `snowmelt snapshots quarantine {snapshot_id} --lift` first",
        )
    at = pointer.catalog.index(target)
    if at >= CATALOG_LIMIT:
        raise NotOffered(
            f"{snapshot_id} is older than the newest {CATALOG_LIMIT} snapshots",
            hint=f"restore a copy of it: `snowmelt restore --output PATH --snapshot {snapshot_id}`",
        )
    if pointer.current != snapshot_id:
        pointer = _behind(pointer, at, why)
    return replace(pointer, hold=why) if holds and pointer.hold is None else pointer


def hold(pointer: Pointer, reason: str = NO_REASON) -> Pointer:
    """Nothing is published or pruned from now on."""
    return replace(pointer, hold=reason)


def release(pointer: Pointer) -> Pointer:
    """Who publishes goes on; after a mass delete also with the fewer rows that there are now."""
    agrees = pointer.hold is not None and is_mass_delete(pointer.hold)
    shrink_from = pointer.current if agrees else pointer.shrink_from
    return replace(pointer, hold=None, shrink_from=shrink_from)


def find(pointer: Pointer, snapshot_id: str) -> CatalogEntry:
    """The catalog's entry. Raises NoSuchSnapshot."""
    entry = by_id(pointer.catalog, snapshot_id)
    if entry is None:
        raise NoSuchSnapshot(f"{pointer.dataset} has no snapshot {snapshot_id[:80]}")
    return entry


def with_entry(pointer: Pointer, entry: CatalogEntry) -> Pointer:
    """The pointer with this entry in place of the one of its id; the same if nothing changes."""
    entries = (entry if old.snapshot_id == entry.snapshot_id else old for old in pointer.catalog)
    changed = tuple(entries)
    return pointer if changed == pointer.catalog else replace(pointer, catalog=changed)


def _behind(pointer: Pointer, at: int, why: str) -> Pointer:
    """The pointer with its catalog's entry `at` as the current one, in a generation of its own."""
    target = pointer.catalog[at]
    left = (replace(old, quarantined=old.quarantined or why) for old in pointer.catalog[:at])
    back = replace(
        pointer,
        catalog=(*left, *pointer.catalog[at:]),
        current=target.snapshot_id,
        lineage_id=target.lineage_id,
    )
    raised = with_generation(back, pointer.generation + 1)
    rollback = Rollback(raised.generation, target.lineage_id, target.version)
    return replace(raised, rollbacks=(*pointer.rollbacks, rollback)[-ROLLBACK_LIMIT:])
