"""The catalog as a list of values: newest first, bounded, searched by id, version or time. Pure.

The pointer carries the newest snapshots; when they become too many, the older half moves into an
immutable page that the pointer links to. A quarantined snapshot is listed and never offered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from snapshotter.format import CATALOG_LIMIT, FORK_LIMIT, CatalogEntry, Fork, Pointer

_KEPT = CATALOG_LIMIT // 2


@dataclass(frozen=True, slots=True)
class Pushed:
    """The catalog with a new entry; `overflow` (newest first) has to move into a page, if any."""

    catalog: tuple[CatalogEntry, ...]
    overflow: tuple[CatalogEntry, ...]


def push(
    catalog: tuple[CatalogEntry, ...], entry: CatalogEntry, *, limit: int = CATALOG_LIMIT
) -> Pushed:
    """Put the newest entry in front; an entry of the same id is replaced."""
    everything = (entry, *(old for old in catalog if old.snapshot_id != entry.snapshot_id))
    if len(everything) <= limit:
        return Pushed(everything, ())
    kept = max(1, min(_KEPT, limit // 2))
    return Pushed(everything[:kept], everything[kept:])


def by_id(entries: Iterable[CatalogEntry], snapshot_id: str) -> CatalogEntry | None:
    """The entry with this id."""
    return next((entry for entry in entries if entry.snapshot_id == snapshot_id), None)


def by_version(entries: Iterable[CatalogEntry], version: int) -> CatalogEntry | None:
    """The newest offered snapshot of this data version or an earlier one."""
    return next((entry for entry in offered(entries) if entry.version <= version), None)


def at_time(entries: Iterable[CatalogEntry], moment: float) -> CatalogEntry | None:
    """The newest offered snapshot whose data is not newer than `moment` (epoch seconds).

    Compared is the watermark; a snapshot without one counts by the time it was taken.
    """
    return next((entry for entry in offered(entries) if data_time(entry) <= moment), None)


def data_time(entry: CatalogEntry) -> float:
    """The time up to which the data goes, epoch seconds."""
    return entry.created_at if entry.watermark is None else entry.watermark


def offered(entries: Iterable[CatalogEntry]) -> Iterable[CatalogEntry]:
    """Entries that may be restored without being asked for by name."""
    return (entry for entry in entries if entry.quarantined is None)


def candidates(entries: Iterable[CatalogEntry], current: str | None) -> Iterable[CatalogEntry]:
    """The order in which a node tries: the current snapshot, then what is listed behind it.

    Entries in front of the current one were rolled back. A page of older entries is only read when
    the caller asks for that many.
    """
    reached = current is None
    for entry in entries:
        reached = reached or entry.snapshot_id == current
        if reached and entry.quarantined is None:
            yield entry


def newest_good(pointer: Pointer) -> CatalogEntry | None:
    """What a node takes that was told nothing else."""
    return next(iter(candidates(pointer.catalog, pointer.current)), None)


def with_generation(pointer: Pointer, generation: int) -> Pointer:
    """The pointer of a higher generation, which goes on from the current snapshot's version."""
    current = None if pointer.current is None else pointer.entry(pointer.current)
    fork = Fork(generation, 0 if current is None else current.version)
    return replace(pointer, generation=generation, forks=(*pointer.forks, fork)[-FORK_LIMIT:])
