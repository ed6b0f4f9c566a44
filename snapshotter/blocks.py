"""What a snapshot has to store: the blocks of a part, compared with those of the snapshot before.

    used blocks ──windows──> one buffer each ──look──> digests, pieces that changed ──> frames

A window is a run of used blocks that is read at once; it never crosses a segment of the map, and a
frame never crosses a window. A block is kept if its digest is that of the same block before; blocks
that the engine does not use are holes: neither read nor stored. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from snapshotter.digest import Digester
from snapshotter.format import (
    BLOCK_LIMIT,
    DIGEST_BYTES,
    SEGMENT_ENTRIES,
    PartMap,
    PartName,
    SegmentRef,
)
from snapshotter.frames import Piece
from snapshotter.header_json import block_count

WINDOW_BYTES = 4 * 1024 * 1024
# Pages of SQLite share a frame: 64 KiB compress to 0.39, single pages to 0.42.
FRAME_BYTES = 64 * 1024
_LEAST_ENTRIES = 64
_ZERO = bytes(DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The blocks of a part. `used`: numbers of the blocks that matter, None for all.

    Block 0 is the preamble where there is one, and then it always matters. `read`: numbers of the
    blocks that have to be read, None for all that matter; the others are as in the map before.
    """

    name: PartName
    length: int
    block_size: int
    preamble: int
    used: frozenset[int] | None
    segment_entries: int = SEGMENT_ENTRIES
    read: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if not 512 <= self.block_size <= BLOCK_LIMIT or not 0 <= self.preamble <= BLOCK_LIMIT:
            raise ValueError(f"{self.name}: no map for blocks of {self.block_size} bytes")

    @property
    def block_count(self) -> int:
        return block_count(self.length, self.block_size, self.preamble)

    @property
    def used_bytes(self) -> int:
        """Of the blocks that matter, at most."""
        if self.used is None:
            return self.length
        return min(self.length, self.preamble + len(self.used) * self.block_size)

    def part(self, root: str, segments: tuple[SegmentRef, ...]) -> PartMap:
        """The part as the header lists it."""
        return PartMap(
            name=self.name,
            length=self.length,
            block_size=self.block_size,
            preamble=self.preamble,
            block_count=self.block_count,
            root=root,
            segment_entries=self.segment_entries,
            segments=segments,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """`count` used blocks from `first`, to be read as `size` bytes from `offset`."""

    first: int
    count: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Frame:
    """Stored bytes of `count` changed blocks from `first`; `raw` is their plain length.

    `digest`: of the stored bytes, empty for a frame of one block, whose own is enough.
    """

    first: int
    count: int
    codec: int
    raw: int
    stored: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """A window's digests in block order, and what of it changed: pieces from block `firsts` on."""

    window: Window
    digests: list[bytes]
    firsts: list[int]
    pieces: list[Piece]


def windows(geometry: Geometry) -> Iterator[Window]:
    """The blocks to be read in file order, in windows of up to 4 MiB; the preamble is alone."""
    most, part = max(1, WINDOW_BYTES // geometry.block_size), geometry.part("", ())
    for first, count in _runs(geometry, most):
        offset, size = part.stretch(first, count)
        yield Window(first, count, offset, size)


def _runs(geometry: Geometry, most: int) -> Iterator[tuple[int, int]]:
    total = geometry.block_count
    used: Iterable[int] = range(total)
    chosen = geometry.used if geometry.read is None else geometry.read
    if chosen is not None:
        wanted = chosen | {0} if geometry.preamble else chosen
        used = sorted(block for block in wanted if 0 <= block < total)
    first, count = 0, 0
    for block in used:
        follows = block == first + count and block % geometry.segment_entries != 0
        if count and follows and count < most and not (geometry.preamble and first == 0):
            count += 1
            continue
        if count:
            yield first, count
        first, count = block, 1
    if count:
        yield first, count


def look(
    window: Window,
    data: bytes | memoryview,
    block_size: int,
    before: Sequence[bytes],
    digester: Digester,
) -> Look:
    """Digests of a window's blocks, and its changed blocks, from one and the same buffer.

    `before` are the digests of these blocks in the map before; blocks it does not have are new.
    """
    view = memoryview(data)
    step = window.size if window.count == 1 else block_size
    digests = digester.of_blocks(view, step)
    changed = [
        number
        for number, new in enumerate(digests)
        if number >= len(before) or new != before[number]
    ]
    groups = list(_groups(changed, max(1, FRAME_BYTES // block_size)))
    pieces = [
        Piece(view[first * step : (first + count) * step], is_shared=count > 1)
        for first, count in groups
    ]
    return Look(window, digests, [window.first + first for first, _ in groups], pieces)


def frames(
    seen: Look, sealed: Iterable[tuple[int, bytes]], block_size: int, digester: Digester
) -> Iterator[Frame]:
    """The frames of a window's pieces. `sealed`: codec and stored bytes of each."""
    for first, (plain, is_shared), (codec, stored) in zip(
        seen.firsts, seen.pieces, sealed, strict=True
    ):
        own = digester.of(memoryview(stored)) if is_shared else b""
        count = -(-len(plain) // block_size) if is_shared else 1
        yield Frame(first, count, codec, len(plain), stored, own)


def _groups(numbers: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers, `most` long at most: first and count."""
    first, count = 0, 0
    for number in numbers:
        if count and number == first + count and count < most:
            count += 1
            continue
        if count:
            yield first, count
        first, count = number, 1
    if count:
        yield first, count
