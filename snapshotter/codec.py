"""The manifest: bytes to typed value or one named error, checked in this order.

    header    length as the catalog entry says · digest of the whole head · magic · version
              (newer: FormatTooNew) · reserved · header length · JSON shape · sanity · agreement
              with the entry
    segment   length · digest · every entry: kind, codec, pack, frame, slot within the frame ·
              number of frame digests

    offset  0  8 bytes  "SNOWMELT"
            8  u16      format version
           10  u16      reserved, 0
           12  u32      header length H
           16  H        header: JSON, spaces behind it up to a multiple of 512
           16+H         segments, back to back

All integers are little-endian. The header names segments by their absolute offset, which depends on
the header's own length: padding lets that converge. Limits come before allocation. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from snapshotter import layout
from snapshotter.digest import digest, matches, tagged
from snapshotter.errors import Corrupt, FormatTooNew
from snapshotter.format import (
    BLOCK_LIMIT,
    DATA,
    DIGEST_BYTES,
    ENCRYPTED,
    ENTRY_BYTES,
    FORMAT_VERSION,
    HEADER_LIMIT,
    HOLE_ENTRY,
    MAGIC,
    PACK_LIMIT,
    PREFIX_BYTES,
    RAW,
    ZSTD,
    CatalogEntry,
    DigestAlgorithm,
    FramePlace,
    Header,
    MapEntry,
    PartMap,
    Segment,
    SegmentRef,
)
from snapshotter.header_json import header_from_json, header_to_json
from snapshotter.runs import ENTRY, Run, runs, shared_frames
from snapshotter.signature import ADDED_BYTES, Sign

_PREFIX = struct.Struct("<8sHHI")
_PADDING = 512


@dataclass(frozen=True, slots=True)
class EncodedManifest:
    """A manifest as bytes, and what the catalog entry repeats of it."""

    data: bytes
    header: Header
    header_length: int
    header_digest: str


def encode_segment(
    entries: bytes,
    found: Iterable[Run],
    new: Mapping[FramePlace, bytes],
    old: Mapping[FramePlace, bytes],
) -> Segment:
    """56 bytes for each entry, 32 for each frame of several blocks. `found`: runs of the entries.

    `new` and `old` have the digests; of a place that both have, the new one counts.
    """
    digests = [new[place] if place in new else old[place] for place in shared_frames(found)]
    return Segment(entries, b"".join(digests))


def encode_manifest(
    header: Header, own: Sequence[bytes], sign: Sign | None = None
) -> EncodedManifest:
    """A manifest with the encoded segments `own` behind the header.

    References to this manifest's key have to be in the order of `own`, their offsets counted from
    the first of them; the result's header has absolute ones, and its `new_bytes` count the head.
    `sign` makes a signed header.
    """
    length, added = _PADDING, ADDED_BYTES if sign else 0
    while True:
        moved = _moved(header, PREFIX_BYTES + length)
        moved = replace(moved, new_bytes=header.new_bytes + PREFIX_BYTES + length)
        text = header_to_json(moved)
        if len(text) + added <= length:
            break
        length = -(-(len(text) + added) // _PADDING) * _PADDING
    if length > HEADER_LIMIT:
        raise ValueError(f"a header of {length} bytes is over the limit of {HEADER_LIMIT}")
    front = _PREFIX.pack(MAGIC, FORMAT_VERSION, 0, length)
    head = front + (text if sign is None else sign(text, front)).ljust(length)
    return EncodedManifest(
        b"".join((head, *own)), moved, length, tagged(head, header.digest_algorithm)
    )


def _moved(header: Header, base: int) -> Header:
    key = layout.manifest_key(header.dataset, header.snapshot_id)

    def at(ref: SegmentRef) -> SegmentRef:
        return replace(ref, offset=ref.offset + base) if ref.key == key else ref

    parts = (replace(part, segments=tuple(map(at, part.segments))) for part in header.parts)
    return replace(header, parts=tuple(parts))


def decode_header(data: bytes, entry: CatalogEntry, dataset: str) -> Header:
    """The header from the manifest's first 16 + `entry.header_length` bytes.

    Raises Corrupt, or FormatTooNew for a version that this reader does not know.
    """
    where = f"manifest of {entry.snapshot_id}"
    if entry.header_length > HEADER_LIMIT or len(data) != PREFIX_BYTES + entry.header_length:
        raise Corrupt(f"{where}: {len(data)} bytes, expected 16 + {entry.header_length}")
    if not matches(data, entry.header_digest):
        raise Corrupt(f"{where}: header does not match the digest in the pointer")
    magic, version, reserved, length = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise Corrupt(f"{where}: not a manifest")
    if version > FORMAT_VERSION:
        raise FormatTooNew(f"{where}: format {version}, this reader knows {FORMAT_VERSION}")
    if version != FORMAT_VERSION or reserved != 0 or length != entry.header_length:
        raise Corrupt(f"{where}: version {version}, reserved {reserved}, length {length}")
    header = header_from_json(data[PREFIX_BYTES:], dataset, where)
    for name in _REPEATED:
        if getattr(header, name) != getattr(entry, name):
            raise Corrupt(f"{where}: {name} differs from the pointer's")
    checkpoint = header.checkpoint
    if checkpoint.lineage.id != entry.lineage_id or checkpoint.version != entry.version:
        raise Corrupt(f"{where}: checkpoint is of another lineage or version than the pointer's")
    if checkpoint.generation > entry.generation:
        raise Corrupt(f"{where}: checkpoint is of a generation that did not exist yet")
    return header


_REPEATED = (
    "snapshot_id",
    "created_at",
    "resumable_until",
    "engine",
    "storage_version",
    "row_count",
    "file_bytes",
    "stored_bytes",
    "full_id",
)


def check_segment(data: bytes, ref: SegmentRef, algorithm: DigestAlgorithm) -> Segment:
    """The segment in `data` if it has the right length and digest. Raises Corrupt."""
    if len(data) != ref.length:
        raise Corrupt(f"{ref.key}: segment at {ref.offset} has {len(data)} bytes")
    if digest(data, algorithm).hex() != ref.digest:
        raise Corrupt(f"{ref.key}: segment at {ref.offset} does not match its digest")
    end = ref.count * ENTRY_BYTES
    return Segment(data[:end], data[end:])


def decode_segment(
    segment: Segment, ref: SegmentRef, part: PartMap, header: Header
) -> list[MapEntry]:
    """The entries of a segment in block order. Raises Corrupt, FormatTooNew."""
    checked_runs(segment, ref, part, header)
    return unpack_entries(segment.entries)


def checked_runs(
    segment: Segment, ref: SegmentRef, part: PartMap, header: Header
) -> tuple[list[Run], dict[FramePlace, bytes]]:
    """The runs of a segment's data, without its holes, and the frame digests.

    Raises Corrupt, FormatTooNew.
    """
    live = {place for place, name in enumerate(header.packs) if name}
    found: list[Run] = []
    for run in runs(segment.entries):
        if not _is_plain(run, part, live):
            _judge(run, segment.entries, ref, part, header)
        if run.entry.kind == DATA:
            found.append(run)
    places = shared_frames(found)
    if len(places) != ref.frames:
        fault = f"{ref.frames} frame digests for {len(places)} frames"
        raise Corrupt(f"{ref.key}: segment at {ref.offset} has {fault}")
    return found, _by_place(segment, places)


def frame_digests(segment: Segment, found: Iterable[Run]) -> dict[FramePlace, bytes]:
    """The digest of each frame of several blocks of a checked segment; `found` are its runs."""
    return _by_place(segment, shared_frames(found))


def _by_place(segment: Segment, places: Sequence[FramePlace]) -> dict[FramePlace, bytes]:
    ends = range(0, len(segment.frame_digests), DIGEST_BYTES)
    cut = [segment.frame_digests[at : at + DIGEST_BYTES] for at in ends]
    return dict(zip(places, cut, strict=True))


def _is_plain(run: Run, part: PartMap, live: set[int]) -> bool:
    """True for the data of whole blocks behind the preamble: nearly all of a map."""
    kind, codec, slot, pack, offset, stored, raw, _ = run.entry
    return (
        kind == DATA
        and (codec == ZSTD or (codec == RAW and stored == raw))
        and pack in live
        and 0 < stored <= raw <= BLOCK_LIMIT
        and offset + stored <= PACK_LIMIT
        and (slot + run.length) * part.block_size <= raw
        and not (part.preamble and run.first == 0)
    )


def _judge(run: Run, entries: bytes, ref: SegmentRef, part: PartMap, header: Header) -> None:
    """Look at each entry of a run. Raises Corrupt, FormatTooNew."""
    own = entries[run.first * ENTRY_BYTES : (run.first + run.length) * ENTRY_BYTES]
    for block, entry in enumerate(unpack_entries(own), ref.first + run.first):
        if entry.kind == DATA and entry.codec in ENCRYPTED:
            raise FormatTooNew(f"{ref.key}: {part.name} block {block} is encrypted")
        fault = _entry_fault(entry, block, part, header.packs)
        if fault:
            raise Corrupt(f"{ref.key}: {part.name} block {block}: {fault}")


def unpack_entries(data: bytes) -> list[MapEntry]:
    """Encoded entries of a segment whose digest was checked."""
    return list(map(MapEntry._make, ENTRY.iter_unpack(data)))


def _entry_fault(entry: MapEntry, block: int, part: PartMap, packs: tuple[str, ...]) -> str | None:
    if entry.kind != DATA:
        return None if entry == HOLE_ENTRY else "neither data nor a clean hole"
    end = entry.slot * part.block_size + part.span(block)[1]
    rules = {
        "no such pack": entry.pack < len(packs) and bool(packs[entry.pack]),
        "frame of an impossible size": 0 < entry.stored <= entry.raw <= BLOCK_LIMIT,
        "unknown codec": entry.codec == ZSTD or (entry.codec, entry.stored) == (RAW, entry.raw),
        "behind the end of any pack": entry.offset + entry.stored <= PACK_LIMIT,
        "outside of its frame": end <= entry.raw
        and not (entry.slot and part.preamble and block == 0),
    }
    return None if all(rules.values()) else next(rule for rule, kept in rules.items() if not kept)
