"""A snapshot's header and map, by as few requests as there can be.

A manifest holds nothing but what a restore of it needs: its header, and the segments that are its
own. So it is asked for whole, in one request, unless its map may be larger than one part of a
download; then, and for segments that lie in manifests of older snapshots, ranges are read.
"""

from __future__ import annotations

from dataclasses import dataclass

from snapshotter import codec
from snapshotter.errors import Corrupt
from snapshotter.format import ENTRY_BYTES, PREFIX_BYTES, CatalogEntry, Header, PartMap, Segment
from snapshotter.reader import check_root, checked_header, fetch_segments, read_header
from snapshotter.store import ObjectStore

_MOST_BYTES = 12 * 1024 * 1024
# Of what the engines make; a file with smaller ones may have a manifest that is larger than this.
_BLOCK_BYTES = {"duckdb": 256 * 1024, "sqlite": 4096}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked header, and what came with it. `own`: the manifest's bytes, empty if not read."""

    store: ObjectStore
    key: str
    header: Header
    own: bytes

    def segments(self, part: PartMap) -> list[Segment]:
        """The part's map segments, each checked by its digest, and all by its root."""
        here = {ref for ref in part.segments if ref.key == self.key and self.own}
        elsewhere = tuple(ref for ref in part.segments if ref not in here)
        fetched = iter(fetch_segments(self.store, self.header, elsewhere))
        algorithm = self.header.digest_algorithm
        found = [
            codec.check_segment(self.own[ref.offset : ref.offset + ref.length], ref, algorithm)
            if ref in here
            else next(fetched)
            for ref in part.segments
        ]
        return check_root(self.header, part, found)


def open_manifest(store: ObjectStore, entry: CatalogEntry) -> Manifest:
    """The manifest of a catalog entry. Raises Corrupt, FormatTooNew, ObjectMissing."""
    own = _whole(store, entry)
    if own:
        header = checked_header(store, entry, own[: PREFIX_BYTES + entry.header_length])
    else:
        header = read_header(store, entry)
    return Manifest(store, entry.manifest, header, own)


def _whole(store: ObjectStore, entry: CatalogEntry) -> bytes:
    blocks = entry.file_bytes // _BLOCK_BYTES.get(entry.engine, 4096) + 1
    if PREFIX_BYTES + entry.header_length + blocks * ENTRY_BYTES > _MOST_BYTES:
        return b""
    try:
        return store.get(entry.manifest, max_bytes=_MOST_BYTES).data
    except Corrupt:
        return b""  # larger than it should be: ranges tell whether that matters
