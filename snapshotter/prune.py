"""Deleting what no snapshot needs, in two steps with a grace between them.

    look     pointer · whole catalog · what goes · headers of what stays · listing -> plan
    sweep    delete what was condemned longer ago than the grace
    record   pointer: without what goes, what was deleted is forgotten, what is dead is condemned

A crash anywhere leaves a state that the next prune goes on from: what was deleted and not forgotten
is deleted again, which is nothing. Looking and recording are one conditional write: if the pointer
moved in between, it is looked again. Sweeping needs no more than to read and to delete.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from snapshotter import gate, layout, pruning, reader, retention, swap
from snapshotter.assemble import objects_of
from snapshotter.catalog_change import algorithm_of, paged
from snapshotter.errors import Corrupt, ObjectMissing, PreconditionFailed
from snapshotter.format import CatalogEntry, Condemned, Pointer
from snapshotter.pruning import Plan
from snapshotter.reader import StoredPointer
from snapshotter.retention import Retention
from snapshotter.store import ObjectInfo, ObjectStore

_TRIES = 5
_THREADS = 8


@dataclass(frozen=True, slots=True)
class Look:
    """What a prune would do now. `sizes`: of all listed objects, by key."""

    seen: StoredPointer
    whole: Pointer
    plan: Plan
    sizes: dict[str, int]

    def bytes_of(self, things: Iterable[Condemned | ObjectInfo]) -> int:
        """What these take in the store."""
        return sum(self.sizes.get(thing.key, 0) for thing in things)


class Pruner:
    """The one who deletes. `grace`: seconds, longer than any restore takes.

    Raises Corrupt if a snapshot that stays cannot be read: what it needs is not known then; Held
    from what changes anything while a person holds the dataset; PreconditionFailed if the pointer
    kept moving; ObjectMissing if nobody ever published; and the store's errors.
    """

    def __init__(self, store: ObjectStore, dataset: str, keeps: Retention, *, grace: float) -> None:
        self._store = store
        self._dataset = dataset
        self._retention = keeps
        self._grace = grace
        # By snapshot; keys are shared, because thousands of snapshots name the same packs.
        self._needs: dict[str, tuple[str, ...]] = {}

    def look(self) -> Look:
        """The plan; nothing is changed."""
        seen = reader.read_stored_pointer(self._store, self._dataset)
        pages = list(self._pages(seen.pointer))
        entries = [*seen.pointer.catalog, *(entry for _, page in pages for entry in page)]
        whole = replace(seen.pointer, catalog=tuple(entries), older=None)
        # The listing comes behind the pointer: what it lacks is in no snapshot of that pointer.
        listed = [
            info
            for folder in ("catalog", "packs", "snapshots")
            for info in self._store.list(f"{layout.dataset_prefix(self._dataset)}{folder}/")
        ]
        now = self._store.now()
        going = retention.to_go(whole, self._retention, now)
        needed = self._needed(whole, going) | {key for key, _ in pages}
        plan = pruning.make_plan(whole, going, needed, listed, now=now, grace=self._grace)
        return Look(seen, whole, plan, {info.key: info.size for info in listed})

    def due(self) -> tuple[Condemned, ...]:
        """What a sweep would delete now."""
        pointer = reader.read_pointer(self._store, self._dataset)
        return pruning.due_of(pointer, now=self._store.now(), grace=self._grace)

    def sweep(self) -> tuple[Condemned, ...]:
        """Delete what is due, and return it. It stays on the list until the next `record`."""
        pointer = reader.read_pointer(self._store, self._dataset)
        gate.check_not_held(pointer)
        due = pruning.due_of(pointer, now=self._store.now(), grace=self._grace)
        self._delete(due)
        return due

    def record(self, *, sweeps: bool) -> Look:
        """Look, delete what is due if `sweeps`, and write the pointer. Returns what was done.

        Without `sweeps` what is due stays on the list, unless somebody else deleted it already.
        """
        trouble: PreconditionFailed | None = None
        for _ in range(_TRIES):
            look = self.look()
            gate.check_not_held(look.whole)
            if sweeps:
                self._delete(look.plan.due)
            else:
                look = _without_deleting(look)
            if self._is_nothing(look):
                return look
            try:
                self._write(look)
            except PreconditionFailed as error:
                trouble = error
                continue
            return look
        raise trouble or PreconditionFailed(f"{self._dataset}: the pointer kept moving")

    def _is_nothing(self, look: Look) -> bool:
        after = pruning.recorded(look.whole, look.plan, now=0.0)
        return after == look.whole

    def _write(self, look: Look) -> None:
        algorithm = algorithm_of(look.seen.pointer)

        def change(pointer: Pointer) -> Pointer:
            if pointer.attempt_id != look.seen.pointer.attempt_id:
                raise PreconditionFailed(f"{self._dataset}: the pointer moved during the prune")
            # The grace begins now: until this write, readers find what is condemned by it.
            after = pruning.recorded(look.whole, look.plan, now=self._store.now())
            if after.catalog == look.whole.catalog:
                after = replace(after, catalog=pointer.catalog, older=pointer.older)
            return paged(self._store, after, algorithm)

        swap.swap_pointer(
            self._store,
            self._dataset,
            change,
            attempt_id=swap.new_attempt_id(),
            algorithm=algorithm,
            seen=look.seen,
        )

    def _pages(self, pointer: Pointer) -> Iterable[tuple[str, tuple[CatalogEntry, ...]]]:
        older = pointer.older
        while older is not None:
            entries, further = reader.read_page(self._store, self._dataset, older)
            yield older, entries
            older = further

    def _needed(self, whole: Pointer, going: tuple[CatalogEntry, ...]) -> frozenset[str]:
        """Keys of all that the snapshots which stay refer to."""
        gone = {entry.snapshot_id for entry in going}
        stay = [entry for entry in whole.catalog if entry.snapshot_id not in gone]
        fresh = [entry for entry in stay if entry.snapshot_id not in self._needs]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="prune") as pool:
            read = dict(zip(fresh, pool.map(self._needed_by, fresh), strict=True))
        needs = self._needs | {entry.snapshot_id: keys for entry, keys in read.items()}
        self._needs = {entry.snapshot_id: needs[entry.snapshot_id] for entry in stay}
        return frozenset(entry.manifest for entry in stay).union(*self._needs.values())

    def _needed_by(self, entry: CatalogEntry) -> tuple[str, ...]:
        """A quarantined snapshot that nobody can read needs nothing."""
        try:
            return tuple(map(sys.intern, objects_of(reader.read_header(self._store, entry))))
        except (Corrupt, ObjectMissing) as error:
            if entry.quarantined is not None:
                return ()
            raise Corrupt(
                f"{entry.snapshot_id} cannot be read, so nobody knows what it needs: {error}",
                hint=f"`snowmelt snapshots quarantine {entry.snapshot_id}`, then prune again",
            ) from error

    def _delete(self, things: Iterable[Condemned]) -> None:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="sweep") as pool:
            list(pool.map(lambda thing: self._store.delete(thing.key), things))


def _without_deleting(look: Look) -> Look:
    """The look of who may not delete: what is due and still there goes on waiting."""
    plan = look.plan
    gone = tuple(each for each in plan.due if each.key not in look.sizes)
    deleted = set(gone)
    waiting = tuple(each for each in look.whole.condemned if each not in deleted)
    return replace(look, plan=replace(plan, due=gone, waiting=waiting))
