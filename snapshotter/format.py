"""The values that lie in the bucket: pointer, catalog entry, manifest header, parts and block map.

    <dataset>/bucket.json                         random identity, written once (If-None-Match)
    <dataset>/head.json                           the pointer, replaced by If-Match only
    <dataset>/catalog/<id>-<attempt>.json         older catalog entries; immutable
    <dataset>/snapshots/<id>/manifest             header and the new map segments; immutable
    <dataset>/packs/<h>/<id>-<n>.pack             frames back to back; immutable, never reused

    <id>      := <generation>-<version>-<time>    fixed width
    manifest  := "SNOWMELT" version:u16 reserved:u16 header_length:u32 header segment*
    segment   := entry* frame_digest[32]*         1,024 entries at most (PartMap.segment_entries)
    entry     := kind:u8 codec:u8 slot:u16 pack:u32 offset:u64 stored:u32 raw:u32 digest[32]

Little-endian; an entry has 56 bytes. `kind` is hole or data; `pack` indexes the header's list of
packs, in which an empty name is a place that no entry uses. Consecutive blocks of one segment may
share a frame: then `slot` counts the block in the decompressed frame, and `raw` is the frame's
length. `digest` is of the block's plain bytes. A frame digest is of a frame as it is stored; each
frame of several blocks has one, in the order in which the entries name them: one digest in place of
sixteen, and of fewer bytes, makes a restore of SQLite's pages faster. A part's root digest is over
its entries' digests in block order (holes as 32 zero bytes), so it names the content and not where
it is stored. Encoding and decoding are in `snapshotter.codec` (manifest) and `snapshotter.sealed`
(JSON objects); offsets, limits and the version rule in docs/format.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from cdc.checkpoint import Checkpoint

FORMAT_VERSION = 1
MAGIC = b"SNOWMELT"
PREFIX_BYTES = 16
ENTRY_BYTES = 56
DIGEST_BYTES = 32
# Limits that a reader checks before it allocates. A header of 4 MiB lists 40,000 segments.
POINTER_LIMIT = 4 * 1024 * 1024
HEADER_LIMIT = 4 * 1024 * 1024
BLOCK_LIMIT = 16 * 1024 * 1024
PACK_LIMIT = 1024 * 1024 * 1024
SEGMENT_ENTRIES = 1024
CATALOG_LIMIT = 500
FORK_LIMIT = 1000
ROLLBACK_LIMIT = 100
CONDEMNED_LIMIT = 10_000

HOLE = 0
DATA = 1
RAW = 0
ZSTD = 1
ENCRYPTED = frozenset({2, 3})  # reserved for raw and zstd, encrypted by the producer

DigestAlgorithm = Literal["blake3", "sha256"]
PartName = Literal["main", "tail"]


class MapEntry(NamedTuple):
    """Where one block is stored. A hole is zero in every field. A tuple, because maps are long."""

    kind: int
    codec: int
    slot: int
    pack: int
    offset: int
    stored: int
    raw: int
    digest: bytes


HOLE_ENTRY = MapEntry(HOLE, 0, 0, 0, 0, 0, 0, bytes(DIGEST_BYTES))

# Where a frame lies: its pack, by place in the header's list, and its offset there.
FramePlace = tuple[int, int]


class Segment(NamedTuple):
    """A map segment whose digest was checked: encoded entries, and frame digests."""

    entries: bytes
    frame_digests: bytes


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """One immutable map segment: `count` entries from block `first`, and `frames` frame digests.

    `key` names the manifest that holds it, of this snapshot or an older one; `offset` counts from
    that object's start; `digest` is hex, of the segment's bytes.
    """

    first: int
    count: int
    key: str
    offset: int
    frames: int
    digest: str

    @property
    def length(self) -> int:
        """Its bytes."""
        return self.count * ENTRY_BYTES + self.frames * DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class PartMap:
    """One file of the image. Block 0 is the preamble where there is one; the last may be short.

    Segment i covers the blocks from i × `segment_entries`.
    """

    name: PartName
    length: int
    block_size: int
    preamble: int
    block_count: int
    root: str
    segment_entries: int
    segments: tuple[SegmentRef, ...]

    def span(self, block: int) -> tuple[int, int]:
        """Offset and size of a block in the file."""
        return self.stretch(block, 1)

    def stretch(self, first: int, count: int) -> tuple[int, int]:
        """Offset and size of neighbouring blocks in the file."""
        begin = self._start(first)
        return begin, min(self._start(first + count), self.length) - begin

    def _start(self, block: int) -> int:
        if self.preamble and block:
            return self.preamble + (block - 1) * self.block_size
        return block * self.block_size


@dataclass(frozen=True, slots=True)
class Header:
    """All that is known of a snapshot before a data byte is fetched. Times: epoch seconds.

    `full_id`: the full snapshot whose set this one is of, itself if it is one. `pack_bytes`: length
    of each pack, 0 where there is none.
    """

    snapshot_id: str
    attempt_id: str
    dataset: str
    created_at: float
    checkpoint: Checkpoint
    resumable_until: float | None
    engine: str
    engine_version: str
    storage_version: str
    digest_algorithm: DigestAlgorithm
    row_count: int
    columns: str
    keys: str
    packs: tuple[str, ...]
    parts: tuple[PartMap, ...]
    stored_bytes: int
    new_bytes: int
    producer: str
    full_id: str
    pack_bytes: tuple[int, ...]

    @property
    def file_bytes(self) -> int:
        """Bytes of all parts as they lie on the local disk, holes included."""
        return sum(part.length for part in self.parts)


Level = Literal["fast", "sample", "full", "drill"]


class Verified(NamedTuple):
    """The last look at a snapshot: when by the store's clock, how closely, and faults found."""

    at: float
    level: Level
    faults: int


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One snapshot as the pointer lists it; enough to decide without another request.

    `header_digest` is `algorithm:hex` over the manifest's first 16 + `header_length` bytes.
    `generation` is the publisher's; the checkpoint inside may be of an earlier one.
    `stored_bytes`: frames the map refers to. `new_bytes`: what this snapshot added to the bucket.
    `full_id`: the full snapshot whose set this one is of (`snapshotter.independence`).
    `quarantined` and `pinned`: why, or None. `proven_at`: when a drill restored it; then
    `content_digest` is of the items that it found (`cdc.rebuild.ItemSetDigest`).
    """

    snapshot_id: str
    manifest: str
    header_length: int
    header_digest: str
    lineage_id: str
    generation: int
    version: int
    created_at: float
    watermark: float | None
    resumable_until: float | None
    engine: str
    storage_version: str
    row_count: int
    file_bytes: int
    stored_bytes: int
    new_bytes: int
    full_id: str
    proven_at: float | None = None
    quarantined: str | None = None
    pinned: str | None = None
    verified: Verified | None = None
    content_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    """A take-over: this generation went on from that version."""

    generation: int
    forked_at_version: int


@dataclass(frozen=True, slots=True)
class Rollback:
    """A person went back to a snapshot of this lineage and version; `generation` begins there.

    What a lower generation made behind that version is left behind: nobody goes on from it.
    """

    generation: int
    lineage_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Condemned:
    """A pack, manifest or page that no snapshot needs. `since`: by the store's clock."""

    key: str
    since: float


@dataclass(frozen=True, slots=True)
class Pointer:
    """`head.json`. `catalog` is newest first; `current` is the id that followers should be at.

    `older` is the key of the page that goes on where the catalog ends. Each take-over adds a fork,
    as does each rollback; `rollbacks` says which of the forks those are. `shrink_from`: what was
    current when a person released a dataset that a mass delete had held. `sequence` counts the
    pointer's writes.
    """

    bucket_id: str
    dataset: str
    generation: int
    holder: str
    attempt_id: str
    lineage_id: str | None
    current: str | None
    catalog: tuple[CatalogEntry, ...]
    forks: tuple[Fork, ...]
    heartbeat_at: float
    bootstrap_progress: float | None = None
    hold: str | None = None
    condemned: tuple[Condemned, ...] = ()
    older: str | None = None
    rollbacks: tuple[Rollback, ...] = ()
    shrink_from: str | None = None
    sequence: int = 0

    @property
    def may_shrink(self) -> bool:
        """True if a person has agreed that the next snapshot has fewer rows than the current one.

        The next snapshot ends that, whatever it has.
        """
        return self.shrink_from is not None and self.shrink_from == self.current

    def entry(self, snapshot_id: str) -> CatalogEntry | None:
        """The catalog's entry of a snapshot."""
        return next((e for e in self.catalog if e.snapshot_id == snapshot_id), None)

    @property
    def condemned_keys(self) -> frozenset[str]:
        """What nothing new may refer to."""
        return frozenset(each.key for each in self.condemned)
