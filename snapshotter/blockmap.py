"""The map of the snapshot before, and how the next one grows out of it, segment by segment.

    digests, places of stored frames, segment before ──merge──> the same segment, or a new one

Segments are immutable and shared: one whose blocks are all as before is referenced, not written
again. A frame lies in one segment, so a segment knows alone what it needs: its packs, its stored
bytes. Shared segments name packs by place, so a place in the list of packs is given away only when
no segment uses it. Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from snapshotter import codec
from snapshotter.blocks import Frame, Geometry
from snapshotter.digest import digest, segment_digests
from snapshotter.errors import Corrupt
from snapshotter.format import (
    DATA,
    DIGEST_BYTES,
    ENTRY_BYTES,
    SEGMENT_ENTRIES,
    DigestAlgorithm,
    FramePlace,
    Header,
    PartMap,
    PartName,
    Segment,
    SegmentRef,
)
from snapshotter.runs import ENTRY, Run, runs

# Encoded entries of stored frames, by the number of their first block.
Fresh = Mapping[int, bytes]
_LEAST_ENTRIES = 64
_LISTED = 8192
_ZERO = bytes(DIGEST_BYTES)
_HOLE = bytes(ENTRY_BYTES)


@dataclass(frozen=True, slots=True)
class KnownSegment:
    """The encoded entries of a segment, where it lies, and what it needs of packs.

    `frames`: digests of frames of several blocks, those of this segment among them. `stored`: bytes
    of frames. `live`: of these, those of blocks that it refers to, by pack.
    """

    data: bytes
    frames: Mapping[FramePlace, bytes]
    ref: SegmentRef
    live: Mapping[int, int]
    stored: int


class Listed(NamedTuple):
    """A segment and its runs, which are found once."""

    segment: Segment
    runs: Sequence[Run]


@dataclass(frozen=True, slots=True)
class KnownMap:
    """A snapshot as the next one is compared with it.

    `marks`: of the parts of the image that it was made of, if this process made it.
    """

    header: Header
    parts: Mapping[PartName, tuple[KnownSegment, ...]]
    marks: Mapping[PartName, Any] = field(default_factory=dict)

    def part(self, geometry: Geometry, algorithm: DigestAlgorithm) -> PartMap | None:
        """The part whose block numbers mean the same places, and digests the same bytes."""
        shape = (geometry.name, geometry.block_size, geometry.preamble, algorithm)
        return next(
            (
                part
                for part in self.header.parts
                if (part.name, part.block_size, part.preamble, self.header.digest_algorithm)
                == shape
            ),
            None,
        )

    def segments(self, part: PartMap, segment_entries: int) -> tuple[KnownSegment, ...]:
        """The part's segments, cut anew if they are to be of another size.

        Segments cut anew lie nowhere: their reference has no key. Larger ones are multiples of the
        smaller, so that a frame still lies in one segment.
        """
        if part.segment_entries == segment_entries:
            return self.parts[part.name]
        data = b"".join(segment.data for segment in self.parts[part.name])
        every = (segment.frames.items() for segment in self.parts[part.name])
        frames = dict(itertools.chain.from_iterable(every))
        size = segment_entries * ENTRY_BYTES
        return tuple(
            _known(
                data[at : at + size],
                runs(data[at : at + size]),
                frames,
                SegmentRef(at // ENTRY_BYTES, 0, "", 0, 0, ""),
                part.block_size,
            )
            for at in range(0, len(data), size)
        )

    @property
    def packs(self) -> frozenset[int]:
        """Places in the header's list of packs that an entry uses."""
        return live_packs(segment for part in self.parts.values() for segment in part)


def live_packs(segments: Iterable[KnownSegment]) -> frozenset[int]:
    """Places in the list of packs that these segments use."""
    return frozenset().union(*(segment.live for segment in segments))


def known(listed: Listed, ref: SegmentRef, block_size: int) -> KnownSegment:
    """A segment with what it needs."""
    frames = codec.frame_digests(*listed)
    return _known(listed.segment.entries, listed.runs, frames, ref, block_size)


def _known(
    data: bytes,
    found: Iterable[Run],
    frames: Mapping[FramePlace, bytes],
    ref: SegmentRef,
    block_size: int,
) -> KnownSegment:
    stored: dict[FramePlace, int] = {}
    live: dict[int, int] = {}
    for _, length, entry in found:
        if entry.kind == DATA:
            stored[entry.pack, entry.offset] = entry.stored
            share = -(-entry.stored // max(1, -(-entry.raw // block_size)))
            live[entry.pack] = live.get(entry.pack, 0) + share * length
    return KnownSegment(data, frames, ref, live, sum(stored.values()))


def segment_size(block_count: int, before: int | None) -> int:
    """Entries of a segment: a power of two, so that the header lists some 8,000 at most.

    A changed block costs its segment anew, and each segment costs a line in every header: with one
    block in a thousand changed, some 40 entries would be best at any size of the file. Segments of
    `before` are kept, to be shared, until the map is much longer.
    """
    needed = max(_LEAST_ENTRIES, -(-block_count // _LISTED))
    wanted = min(SEGMENT_ENTRIES, 1 << (needed - 1).bit_length())
    return wanted if before is None or wanted > 2 * before else before


def frame_entries(frame: Frame, pack: int, offset: int, digests: Sequence[bytes]) -> bytes:
    """Entries of a frame stored at `offset`, encoded; `digests` are those of its blocks."""
    stored = len(frame.stored)
    return b"".join(
        [
            ENTRY.pack(DATA, frame.codec, slot, pack, offset, stored, frame.raw, one)
            for slot, one in enumerate(digests)
        ]
    )


def blocks_of(fresh: Fresh) -> Iterator[int]:
    """The numbers of their blocks."""
    for first, entries in fresh.items():
        yield from range(first, first + len(entries) // ENTRY_BYTES)


def merge(
    first: int,
    digests: list[bytes],
    fresh: Fresh,
    frames: Mapping[FramePlace, bytes],
    before: KnownSegment | None,
) -> KnownSegment | Listed:
    """The segment of the blocks from `first`: the one before if nothing changed, or a new one.

    `digests` has 32 zero bytes for a hole; `fresh` are entries of changed blocks, and `frames` the
    digests of the frames that these lie in. Raises Corrupt if they do not go together.
    """
    # Bytes are put between bytes: of a random tenth of a table every segment is made anew.
    size = len(digests) * ENTRY_BYTES
    entries = bytearray(b"" if before is None else before.data[:size]).ljust(size, b"\0")
    for number, encoded in fresh.items():
        at = (number - first) * ENTRY_BYTES
        entries[at : at + len(encoded)] = encoded
    if _ZERO in digests:
        for number, one in enumerate(digests):
            if one == _ZERO:
                entries[number * ENTRY_BYTES : (number + 1) * ENTRY_BYTES] = _HOLE
    merged = bytes(entries)
    if segment_digests(merged) != digests:
        raise Corrupt(
            f"the map from block {first} on would not be of the blocks that were read",
            hint="nothing was published; if it persists, the memory fails or this is a bug",
        )
    if before is not None and before.ref.key and merged == before.data:
        return before
    found, old = list(runs(merged)), {} if before is None else before.frames
    return Listed(codec.encode_segment(merged, found, frames, old), found)


def place(
    first: int, segment: Segment, key: str, offset: int, algorithm: DigestAlgorithm
) -> SegmentRef:
    """The reference to a new segment; `offset` counts from the manifest's first segment."""
    count = len(segment.entries) // ENTRY_BYTES
    frames = len(segment.frame_digests) // DIGEST_BYTES
    own = digest(b"".join(segment), algorithm).hex()
    return SegmentRef(first, count, key, offset, frames, own)


def free_places(live: frozenset[int]) -> Iterator[int]:
    """Places in the list of packs that no segment uses, lowest first, without end.

    Segments are shared by snapshots and name packs by place, so a place in use keeps its pack.
    """
    return (place for place in itertools.count() if place not in live)


def pack_list(names: Mapping[int, str], live: frozenset[int]) -> tuple[str, ...]:
    """The header's list of packs, by place; a place that no segment uses is empty."""
    end = max(live, default=-1) + 1
    return tuple(names[place] if place in live else "" for place in range(end))


def pack_lengths(lengths: Mapping[int, int], live: frozenset[int]) -> tuple[int, ...]:
    """The length of each pack of that list, 0 where there is none."""
    end = max(live, default=-1) + 1
    return tuple(lengths[place] if place in live else 0 for place in range(end))
