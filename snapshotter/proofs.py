"""What looking at a snapshot says of it: each a function from a pointer to the next one. Pure.

    verified   a look and what it found; a weaker one that finds nothing leaves a stronger's word
    proven     a drill restored it, and these were its items

A fault takes a proof back: what was restorable once and is damaged now is not restorable. Raises
NoSuchSnapshot for a snapshot that the catalog does not list (any more).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from snapshotter.catalog import candidates
from snapshotter.format import CatalogEntry, Level, Pointer, Verified
from snapshotter.marks import find, with_entry

LEVELS: tuple[Level, ...] = get_args(Level)


def verified(pointer: Pointer, snapshot_id: str, look: Verified) -> Pointer:
    """The pointer after a look. The same if a closer one was there before, and this saw nothing."""
    entry = find(pointer, snapshot_id)
    if look.faults:
        return with_entry(
            pointer, replace(entry, verified=look, proven_at=None, content_digest=None)
        )
    before = entry.verified
    if before is not None and LEVELS.index(before.level) > LEVELS.index(look.level):
        return pointer
    return with_entry(pointer, replace(entry, verified=look))


def proven(pointer: Pointer, snapshot_id: str, at: float, digest: str) -> Pointer:
    """The pointer after a drill that found everything as promised, and items of this digest."""
    entry = find(pointer, snapshot_id)
    look = Verified(at, "drill", 0)
    return with_entry(pointer, replace(entry, verified=look, proven_at=at, content_digest=digest))


def newest_proven(entries: Iterable[CatalogEntry], current: str | None) -> CatalogEntry | None:
    """The newest snapshot that may be restored and was, in a drill."""
    good = candidates(entries, current)
    return next((entry for entry in good if entry.proven_at is not None), None)


def last_verified(entries: Iterable[CatalogEntry]) -> Verified | None:
    """The last look at any of the snapshots."""
    looks = (entry.verified for entry in entries if entry.verified is not None)
    return max(looks, key=lambda look: look.at, default=None)
