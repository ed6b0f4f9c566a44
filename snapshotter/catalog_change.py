"""A person's change of the catalog as one conditional write of the pointer.

    read · change · older pages anew, if they changed · pointer, if it is still what was read

Pages are immutable: one that changes is written anew under another name, with those in front of it,
and the old ones are left to prune. Most changes are of the newest snapshots and write no page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from snapshotter import layout, sealed, swap
from snapshotter.errors import NoSuchSnapshot
from snapshotter.format import CATALOG_LIMIT, CatalogEntry, DigestAlgorithm, Pointer
from snapshotter.reader import read_catalog, read_stored_pointer
from snapshotter.store import ObjectStore
from snapshotter.trust import signed

Change = Callable[[Pointer], Pointer]


@dataclass(frozen=True, slots=True)
class Changed:
    """The pointer before and after, which are the same if there was nothing to do."""

    before: Pointer
    after: Pointer

    @property
    def is_change(self) -> bool:
        return self.before is not self.after


def change_catalog(store: ObjectStore, dataset: str, change: Change) -> Changed:
    """Apply `change` (`snapshotter.marks`), which may be called again with a newer pointer.

    Raises what `change` raises, PreconditionFailed if others kept winning, ObjectMissing if nobody
    ever published, and the store's errors; after StoreUnreachable the outcome is unknown.
    """
    stored = read_stored_pointer(store, dataset)
    before, algorithm = stored.pointer, algorithm_of(stored.pointer)
    if _changed(store, before, change) == before:
        return Changed(before, before)

    def swapped(pointer: Pointer) -> Pointer:
        return paged(store, _changed(store, pointer, change), algorithm)

    after = swap.swap_pointer(
        store,
        dataset,
        swapped,
        attempt_id=swap.new_attempt_id(),
        algorithm=algorithm,
        seen=stored,
    )
    return Changed(before, after.pointer)


def whole(store: ObjectStore, pointer: Pointer) -> Pointer:
    """The pointer with the entries of all its pages."""
    if pointer.older is None:
        return pointer
    return replace(pointer, catalog=tuple(read_catalog(store, pointer)), older=None)


def paged(store: ObjectStore, after: Pointer, algorithm: DigestAlgorithm) -> Pointer:
    """`after` in a form that fits: entries beyond the limit go into pages, written here.

    One that has pages is fit already. Each call writes under new names: those of a try that lost
    may be condemned by now.
    """
    if after.older is not None or len(after.catalog) <= CATALOG_LIMIT:
        return after
    ids = [entry.snapshot_id for entry in after.catalog]
    current = 0 if after.current is None else ids.index(after.current)
    kept = max(CATALOG_LIMIT // 2, current + 1)
    older: str | None = None
    for at in reversed(range(kept, len(ids), CATALOG_LIMIT)):
        older = _write_page(store, after, after.catalog[at : at + CATALOG_LIMIT], older, algorithm)
    return replace(after, catalog=after.catalog[:kept], older=older)


def algorithm_of(pointer: Pointer) -> DigestAlgorithm:
    """What the dataset's newest manifest is sealed with."""
    digests = (entry.header_digest for entry in pointer.catalog[:1])
    return "sha256" if next(digests, "").startswith("sha256:") else "blake3"


def _changed(store: ObjectStore, pointer: Pointer, change: Change) -> Pointer:
    try:
        return change(pointer)
    except NoSuchSnapshot:
        if pointer.older is None:
            raise
        return change(whole(store, pointer))


def _write_page(
    store: ObjectStore,
    pointer: Pointer,
    entries: tuple[CatalogEntry, ...],
    older: str | None,
    algorithm: DigestAlgorithm,
) -> str:
    name = layout.page_name(entries[0].snapshot_id, swap.new_attempt_id())
    key = layout.page_key(pointer.dataset, name)
    page = sealed.encode_page(pointer.dataset, entries, older, algorithm)
    swap.put_new(store, key, signed(store, "page", pointer.dataset, page, name))
    return key
