"""The header and the pointer of a new snapshot, from what was stored and what was there. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from cdc.accelerator import FrozenImage
from snapshotter import blockmap, codec, consolidation, layout
from snapshotter.blockmap import KnownMap, KnownSegment
from snapshotter.codec import EncodedManifest
from snapshotter.errors import PreconditionFailed
from snapshotter.finder import Mark
from snapshotter.format import CatalogEntry, DigestAlgorithm, Header, PartMap, PartName, Pointer
from snapshotter.signature import Sign


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part's map; `own` are its new segments, whose offsets count from the manifest's first."""

    part: PartMap
    segments: tuple[KnownSegment, ...]
    own: tuple[bytes, ...]
    blocks_new: int
    mark: Mark | None = None


@dataclass(frozen=True)
class Draft:
    """A snapshot that is being made. `base` is the map whose blocks it may share.

    `sign`: its header, where the producer has a key.
    """

    dataset: str
    snapshot_id: str
    attempt_id: str
    created_at: float
    resumable_until: float | None
    algorithm: DigestAlgorithm
    producer: str
    base: KnownMap | None
    sign: Sign | None = None

    @property
    def manifest(self) -> str:
        """The manifest's key."""
        return layout.manifest_key(self.dataset, self.snapshot_id)

    @property
    def live(self) -> frozenset[int]:
        """Places in the list of packs that may not be taken by new packs."""
        return frozenset() if self.base is None else self.base.packs

    @property
    def marks(self) -> Mapping[PartName, Mark]:
        """Of the parts at the snapshot that this one is compared with."""
        return {} if self.base is None else self.base.marks

    @cached_property
    def emptied(self) -> frozenset[int]:
        """Places of packs whose live blocks are stored again."""
        return frozenset() if self.base is None else consolidation.choose(self.base)


def assemble(
    image: FrozenImage,
    draft: Draft,
    parts: Sequence[StoredPart],
    new_packs: Mapping[int, str],
    new_sizes: Mapping[int, int],
) -> tuple[EncodedManifest, KnownMap]:
    """The manifest's bytes, and the map that the next snapshot is compared with."""
    segments = [segment for part in parts for segment in part.segments]
    own = [data for part in parts for data in part.own]
    old = {} if draft.base is None else dict(enumerate(draft.base.header.packs))
    sizes = {} if draft.base is None else dict(enumerate(draft.base.header.pack_bytes))
    live = blockmap.live_packs(segments)
    header = Header(
        snapshot_id=draft.snapshot_id,
        attempt_id=draft.attempt_id,
        dataset=draft.dataset,
        created_at=draft.created_at,
        checkpoint=image.checkpoint,
        resumable_until=draft.resumable_until,
        engine=image.engine,
        engine_version=image.engine_version,
        storage_version=image.storage_version,
        digest_algorithm=draft.algorithm,
        row_count=image.row_count,
        columns=image.columns.encode(),
        keys=json.dumps(image.keys.to_json(), separators=(",", ":"), ensure_ascii=False),
        packs=blockmap.pack_list(old | dict(new_packs), live),
        parts=tuple(part.part for part in parts),
        stored_bytes=sum(segment.stored for segment in segments),
        new_bytes=sum(new_sizes.values()) + sum(map(len, own)),
        producer=draft.producer,
        full_id=draft.snapshot_id if draft.base is None else draft.base.header.full_id,
        pack_bytes=blockmap.pack_lengths(sizes | dict(new_sizes), live),
    )
    encoded = codec.encode_manifest(header, own, draft.sign)
    known = {
        stored.part.name: tuple(
            replace(segment, ref=ref)
            for segment, ref in zip(stored.segments, part.segments, strict=True)
        )
        for stored, part in zip(parts, encoded.header.parts, strict=True)
    }
    marks = {stored.part.name: stored.mark for stored in parts if stored.mark is not None}
    return encoded, KnownMap(encoded.header, known, marks)


def entry_of(encoded: EncodedManifest) -> CatalogEntry:
    """What the pointer repeats of a header. `generation` is the one in the snapshot's id."""
    header = encoded.header
    return CatalogEntry(
        snapshot_id=header.snapshot_id,
        manifest=layout.manifest_key(header.dataset, header.snapshot_id),
        header_length=encoded.header_length,
        header_digest=encoded.header_digest,
        lineage_id=header.checkpoint.lineage.id,
        generation=layout.SnapshotId.parse(header.snapshot_id).generation,
        version=header.checkpoint.version,
        created_at=header.created_at,
        watermark=header.checkpoint.watermark,
        resumable_until=header.resumable_until,
        engine=header.engine,
        storage_version=header.storage_version,
        row_count=header.row_count,
        file_bytes=header.file_bytes,
        stored_bytes=header.stored_bytes,
        new_bytes=header.new_bytes,
        full_id=header.full_id,
    )


def objects_of(header: Header) -> frozenset[str]:
    """Keys of all that a snapshot needs: packs, its manifest, those that hold segments of it."""
    segments = {ref.key for part in header.parts for ref in part.segments}
    own = layout.manifest_key(header.dataset, header.snapshot_id)
    return frozenset({own, *segments, *filter(None, header.packs)})


def check_base_stands(pointer: Pointer, seen: Pointer, header: Header) -> None:
    """Raise PreconditionFailed if the pointer moved so that the new snapshot cannot follow."""
    if (pointer.current, pointer.generation) != (seen.current, seen.generation):
        raise PreconditionFailed(
            f"{pointer.dataset}: the current snapshot was changed during the publish",
            hint="nothing was published; the next publish starts from the new one",
        )
    if pointer.condemned_keys & objects_of(header):
        raise PreconditionFailed(
            f"{pointer.dataset}: an object that the new snapshot needs was condemned meanwhile",
            hint="nothing was published; the next publish does without that object",
        )
