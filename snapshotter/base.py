"""The published snapshot as a base: who may go on from it, and whether its packs can be built on.

Sharing packs ties snapshots together: a publisher proves at its start, and again from time to time,
that each pack the base names is in the store and long enough. A base that cannot be read, that was
quarantined, or that lost a pack is no base: the next snapshot then shares nothing and heals the
dataset.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cdc.checkpoint import Checkpoint
from snapshotter import blockmap, codec, gate, reader
from snapshotter.assemble import objects_of
from snapshotter.blockmap import KnownMap, KnownSegment, Listed
from snapshotter.errors import Corrupt, ObjectMissing
from snapshotter.format import DATA, CatalogEntry, Header, Pointer
from snapshotter.store import ObjectStore

_THREADS = 8


@dataclass(frozen=True, slots=True)
class Base:
    """`header` of the published snapshot of this lineage, and its map if it can be built on.

    `published`: the header of the snapshot that is published and good, of whichever lineage.
    """

    header: Header | None = None
    known: KnownMap | None = None
    published: Header | None = None


def find_base(
    store: ObjectStore,
    pointer: Pointer,
    checkpoint: Checkpoint,
    cached: KnownMap | None,
    *,
    prove: bool,
) -> Base:
    """What a snapshot of this checkpoint goes on from. Raises Fenced if it would go back.

    `prove`: look for the packs of a cached map too; those of a map that is loaded always are.
    """
    entry = None if pointer.current is None else pointer.entry(pointer.current)
    if entry is None:
        return Base()
    if cached is not None and cached.header.snapshot_id != entry.snapshot_id:
        cached = None
    header = cached.header if cached is not None else _header(store, entry)
    if not gate.check_forward(checkpoint, entry, header):
        return Base(published=None if entry.quarantined is not None else header)
    if header is None or entry.quarantined is not None:
        return Base(header)
    known = cached or _load(store, header)
    if known is None or _needs_condemned(known, pointer):
        return Base(header, published=header)
    if (prove or cached is None) and missing_packs(store, header.packs, pack_ends(known)):
        return Base(header, published=header)
    return Base(header, known, header)


def _header(store: ObjectStore, entry: CatalogEntry) -> Header | None:
    try:
        return reader.read_header(store, entry)
    except (Corrupt, ObjectMissing):
        return None  # publishing must go on, or a damaged snapshot would stay the newest


def _load(store: ObjectStore, header: Header) -> KnownMap | None:
    try:
        return read_known(store, header)
    except (Corrupt, ObjectMissing):
        return None


def read_known(store: ObjectStore, header: Header) -> KnownMap:
    """The whole map of a snapshot, checked. Raises Corrupt, ObjectMissing."""
    parts = {}
    for part in header.parts:
        segments: list[KnownSegment] = []
        read = reader.read_segments(store, header, part)
        for segment, ref in zip(read, part.segments, strict=True):
            found, _ = codec.checked_runs(segment, ref, part, header)
            segments.append(blockmap.known(Listed(segment, found), ref, part.block_size))
        parts[part.name] = tuple(segments)
    return KnownMap(header, parts)


def pack_ends(known: KnownMap) -> dict[int, int]:
    """By place of a pack: where its last used frame ends."""
    ends: dict[int, int] = {}
    for segment in (segment for part in known.parts.values() for segment in part):
        for entry in codec.unpack_entries(segment.data):
            if entry.kind == DATA:
                end = entry.offset + entry.stored
                ends[entry.pack] = max(ends.get(entry.pack, 0), end)
    return ends


def missing_packs(
    store: ObjectStore, packs: tuple[str, ...], ends: dict[int, int]
) -> list[tuple[str, str]]:
    """Key and fault of each pack that is not in the store, or shorter than its last frame's end."""

    def fault(place: int) -> str | None:
        info = store.head(packs[place])
        if info is None:
            return "missing"
        return f"{info.size} of {ends[place]} bytes" if info.size < ends[place] else None

    places = sorted(ends)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="head") as pool:
        faults: Iterable[str | None] = list(pool.map(fault, places))
    return [(packs[place], found) for place, found in zip(places, faults, strict=True) if found]


def lost_objects(store: ObjectStore, keys: Iterable[str]) -> list[str]:
    """Those of the keys that are not in the store."""
    ordered = sorted(keys)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="head") as pool:
        found = list(pool.map(store.head, ordered))
    return [key for key, info in zip(ordered, found, strict=True) if info is None]


def _needs_condemned(known: KnownMap, pointer: Pointer) -> bool:
    """True if the map needs an object that is about to be deleted."""
    return bool(objects_of(known.header) & pointer.condemned_keys)
