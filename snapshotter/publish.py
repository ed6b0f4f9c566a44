"""Publishing a frozen image: packs, then the manifest, then the pointer, and only then it exists.

    own the pointer · gate · store what changed · nothing moved · manifest · pointer

A crash between any two steps leaves the old pointer valid and some objects that no pointer leads
to. The map of the last published snapshot is kept in memory; a publisher that has none reads it
from the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from cdc import checkpoint as checkpoints
from cdc.accelerator import FrozenImage
from snapshotter import (
    assemble,
    blockmap,
    catalog,
    consolidation,
    gate,
    layout,
    sealed,
    swap,
)
from snapshotter.assemble import Draft, StoredPart
from snapshotter.base import find_base, lost_objects
from snapshotter.blockmap import KnownMap
from snapshotter.codec import EncodedManifest
from snapshotter.errors import PreconditionFailed
from snapshotter.format import DigestAlgorithm, Header, Pointer
from snapshotter.gatekeeper import Circumstances, Gatekeeper
from snapshotter.independence import FULL_EVERY_SECONDS, full_id_of, full_is_due
from snapshotter.packs import PACK_BYTES, PackWriter
from snapshotter.publish_report import PublishReport, report_of
from snapshotter.reader import StoredPointer
from snapshotter.store import ObjectStore
from snapshotter.transfer import Target, compared, store_part
from snapshotter.trust import signed, trust_of

# Every so many snapshots a publisher looks for the packs that it builds on.
_PROVE_EVERY = 50

# Called with bytes of the file that were read, and how many there are.
Progress = Callable[[int, int], None]


class Publisher:
    """The one who publishes a dataset. Call `take_over` once, then `publish` from one thread.

    Raises Fenced once somebody else has taken over; Held while a person holds the dataset;
    StoreUnreachable with an unknown outcome, which the next publish finds out; PreconditionFailed
    if the pointer was changed by hand meanwhile (try again); and the store's other errors. Who
    rolled back meanwhile is no producer: the next publish goes on in a generation of its own.
    """

    def __init__(
        self,
        store: ObjectStore,
        dataset: str,
        *,
        holder: str,
        digest: DigestAlgorithm = "blake3",
        retention_seconds: float | None = None,
        full_every: float = FULL_EVERY_SECONDS,
        producer: str = "snowmelt",
        pack_bytes: int = PACK_BYTES,
    ) -> None:
        self.dataset = layout.check_dataset(dataset)
        self.generation: int | None = None
        self._store = store
        self._holder = holder
        self._algorithm: DigestAlgorithm = digest
        self._retention_seconds = retention_seconds
        self._full_every = full_every
        self._full_id: str | None = None
        self._producer = producer
        self._pack_bytes = pack_bytes
        self._gatekeeper = Gatekeeper(store, dataset)
        self._known: KnownMap | None = None
        self._last_ms = 0
        self._published = 0

    def take_over(self, terms: swap.Terms = swap.Terms()) -> int:  # noqa: B008 - frozen
        """Raise the generation in the pointer, which fences every earlier publisher; return it."""
        stored = swap.raise_generation(
            self._store, self.dataset, terms, holder=self._holder, algorithm=self._algorithm
        )
        self.generation = stored.pointer.generation
        self._full_id = full_id_of(stored.pointer)
        return self.generation

    def announce_progress(self, fraction: float) -> None:
        """Write the bootstrap's progress (0 to 1) and a heartbeat to the pointer. Raises Fenced."""

        def change(pointer: Pointer) -> Pointer:
            gate.check_owner(pointer, self._owned())
            return replace(
                pointer,
                bootstrap_progress=min(1.0, max(0.0, fraction)),
                heartbeat_at=self._store.now(),
            )

        self._swap(change, swap.new_attempt_id())

    def publish(
        self,
        image: FrozenImage,
        *,
        reason: str,
        progress: Progress | None = None,
        full: bool | None = None,
        given: Circumstances = Circumstances(),  # noqa: B008 - frozen
    ) -> PublishReport:
        """Make the frozen image the current snapshot.

        `full`: share nothing with older snapshots; None: if that is due. Raises also FreezeBroken
        (freeze again), NothingToSnapshot and GateRefused, if what is `given` does not overrule it.
        """
        started = time.monotonic()
        self._reach(image.checkpoint.generation)
        seen = swap.regain(self._store, self.dataset, self._owned(), algorithm=self._algorithm)
        pointer = seen.pointer
        self.generation, self._full_id = pointer.generation, full_id_of(pointer)
        gate.check_finished(image.checkpoint)
        prove = self._published % _PROVE_EVERY == 0
        base = find_base(self._store, pointer, image.checkpoint, self._known, prove=prove)
        until = self._resumable_until(image)
        header = base.published
        overruled = self._gatekeeper.check(image, pointer, header, until, given, thorough=prove)
        if full is None:
            full = self.full_is_due()
        draft = self._draft(image, None if full else base.known)
        parts, packs = self._store_parts(image, draft, progress)
        image.verify_unchanged()
        if prove:
            self._gatekeeper.check_kept([*packs.names.values()][:1], given)
        encoded, known = assemble.assemble(image, draft, parts, packs.names, packs.sizes)
        self._store_manifest(draft, encoded)
        self._make_current(draft, encoded, seen)  # last: now it exists
        self._known, self._full_id = known, known.header.full_id
        self._published += 1
        return replace(
            report_of(encoded.header, draft, parts),
            reason=reason if given.force is None else f"{reason}, forced: {given.force}",
            duration_seconds=time.monotonic() - started,
            renewal=base.header is not None
            and gate.is_renewal(base.header, image.checkpoint, image.row_count),
            overruled=overruled,
        )

    def full_is_due(self) -> bool:
        """True if the set of the snapshot that was published last is to end."""
        return self._full_id is not None and full_is_due(
            self._full_id, self._store.now(), self._full_every
        )

    def _reach(self, generation: int) -> None:
        """Go up to a file's generation, which is higher in a bucket that is new or was emptied."""
        owned = self._owned()
        if generation <= owned:
            return

        def change(pointer: Pointer) -> Pointer:
            gate.check_owner(pointer, owned)
            return catalog.with_generation(pointer, generation)

        self._swap(change, swap.new_attempt_id())
        self.generation = generation

    def _owned(self) -> int:
        if self.generation is None:
            raise RuntimeError("take_over comes before everything else")
        return self.generation

    def _resumable_until(self, image: FrozenImage) -> float | None:
        return checkpoints.resumable_until(
            image.checkpoint, retention_seconds=self._retention_seconds
        )

    def _draft(self, image: FrozenImage, base: KnownMap | None) -> Draft:
        # Names must be new even if the clock stands still or goes back.
        self._last_ms = max(int(self._store.now() * 1000), self._last_ms + 1)
        version = image.checkpoint.version
        return Draft(
            dataset=self.dataset,
            snapshot_id=str(layout.SnapshotId(self._owned(), version, self._last_ms)),
            attempt_id=swap.new_attempt_id(),
            created_at=self._last_ms / 1000,
            resumable_until=self._resumable_until(image),
            algorithm=self._algorithm,
            producer=self._producer,
            base=base,
            sign=trust_of(self._store).signing("header", self.dataset),
        )

    def _store_parts(
        self, image: FrozenImage, draft: Draft, progress: Progress | None
    ) -> tuple[list[StoredPart], PackWriter]:
        plans = [
            (shape, consolidation.without(before, draft.emptied))
            for shape, before in (
                compared(part, draft.base, self._algorithm) for part in image.parts
            )
        ]
        total = sum(shape.used_bytes for shape, _ in plans)
        done = 0

        def on_read(size: int) -> None:
            nonlocal done
            done += size
            if progress is not None:
                progress(done, total)

        parts: list[StoredPart] = []
        places = blockmap.free_places(draft.live)
        with PackWriter(
            self._store, self.dataset, draft.snapshot_id, places, pack_bytes=self._pack_bytes
        ) as packs:
            target = Target(packs, draft.manifest, self._algorithm, on_read, draft.marks)
            for part, (shape, before) in zip(image.parts, plans, strict=True):
                offset = sum(len(data) for stored in parts for data in stored.own)
                parts.append(store_part(part, shape, before, target, offset))
        return parts, packs

    def _store_manifest(self, draft: Draft, encoded: EncodedManifest) -> None:
        swap.put_new(self._store, draft.manifest, encoded.data)

    def _make_current(self, draft: Draft, encoded: EncodedManifest, seen: StoredPointer) -> None:
        header = encoded.header

        def change(pointer: Pointer) -> Pointer:
            gate.check_owner(pointer, self._owned())
            gate.check_not_held(pointer)
            assemble.check_base_stands(pointer, seen.pointer, header)
            if pointer.attempt_id != seen.pointer.attempt_id:
                self._check_all_there(header)
            pushed = catalog.push(pointer.catalog, assemble.entry_of(encoded))
            older = pointer.older
            if pushed.overflow:
                # A new name for each try: that of one that lost may be condemned by now.
                name = layout.page_name(pushed.overflow[0].snapshot_id, swap.new_attempt_id())
                page = sealed.encode_page(self.dataset, pushed.overflow, older, self._algorithm)
                older = layout.page_key(self.dataset, name)
                swap.put_new(
                    self._store, older, signed(self._store, "page", self.dataset, page, name)
                )
            return replace(
                pointer,
                lineage_id=header.checkpoint.lineage.id,
                current=header.snapshot_id,
                catalog=pushed.catalog,
                older=older,
                heartbeat_at=self._store.now(),
                bootstrap_progress=None,
            )

        self._swap(change, draft.attempt_id, seen)

    def _check_all_there(self, header: Header) -> None:
        """Raise PreconditionFailed if an object of the new snapshot was swept meanwhile.

        What was condemned and swept during a very long publish is on no list any more. Whatever is
        condemned from now on makes the write of the pointer fail, which was read before.
        """
        if lost := lost_objects(self._store, assemble.objects_of(header)):
            raise PreconditionFailed(
                f"{lost[0]} in {self._store.url} was deleted during the publish",
                hint="nothing was published; the next publish writes it again",
            )

    def _swap(
        self,
        change: Callable[[Pointer], Pointer],
        attempt_id: str,
        seen: StoredPointer | None = None,
    ) -> None:
        swap.swap_pointer(
            self._store,
            self.dataset,
            change,
            attempt_id=attempt_id,
            algorithm=self._algorithm,
            seen=seen,
        )
