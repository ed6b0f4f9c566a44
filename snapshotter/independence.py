"""Sets of snapshots that share no object, so that one lost object cannot break them all. Pure.

A full snapshot shares nothing with older ones and begins a set; those that build on it name it.
Once it is older than `full_every` the next snapshot is full again. Retention keeps a snapshot of
two sets. What was deleted from the table lies in packs that its set still needs, so the end of a
set is also when it leaves the store.
"""

from __future__ import annotations

from collections.abc import Iterable

from snapshotter.format import CatalogEntry, Pointer
from snapshotter.layout import SnapshotId

FULL_EVERY_SECONDS = 7 * 86400.0


def full_is_due(full_id: str, now: float, full_every: float) -> bool:
    """True if the set that this full snapshot began is to end. `now`: by the store's clock."""
    return now - SnapshotId.parse(full_id).created_ms / 1000 >= full_every


def full_id_of(pointer: Pointer) -> str | None:
    """The full snapshot whose set the current one is of."""
    entry = None if pointer.current is None else pointer.entry(pointer.current)
    return None if entry is None else entry.full_id


def second_set(good: Iterable[CatalogEntry]) -> CatalogEntry | None:
    """The newest of good entries, newest first, that shares nothing with the newest one."""
    entries = iter(good)
    newest = next(entries, None)
    if newest is None:
        return None
    return next((entry for entry in entries if entry.full_id != newest.full_id), None)
