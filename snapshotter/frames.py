"""Frames: one or a few consecutive blocks, stored raw or as one zstd frame, opened within limits.

A frame is kept raw when zstd gains less than 5 %: it would cost time at every restore and save
nothing. The plain length stands in the map, and a zstd frame that announces another one is refused
before anything is allocated: decompression is bounded by the map, not by the stored bytes. Pure.
"""

from __future__ import annotations

import zstandard

from snapshotter.errors import Corrupt
from snapshotter.format import BLOCK_LIMIT, RAW, ZSTD, MapEntry

# Level 1 keeps up with a disk.
ZSTD_LEVEL = 1
_WORTH_IT = 0.95


class Sealer:
    """Makes frames one after the other: a compressor takes longer to make than a page to compress.

    For one thread.
    """

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)

    def seal(self, plain: bytes) -> tuple[int, bytes]:
        """Codec and stored bytes of a frame."""
        packed = self._compressor.compress(plain)
        if len(packed) > len(plain) * _WORTH_IT:
            return RAW, plain
        return ZSTD, packed


def open_frame(entry: MapEntry, stored: bytes) -> bytes:
    """The plain bytes of the frame that `entry` lies in. Raises Corrupt."""
    if len(stored) != entry.stored or entry.raw > BLOCK_LIMIT:
        raise Corrupt(f"a frame of {len(stored)} bytes, expected {entry.stored}")
    if entry.codec == RAW:
        return stored
    if entry.codec != ZSTD:
        raise Corrupt(f"a frame of unknown codec {entry.codec}")
    try:
        # With a content size in the frame, zstandard allocates that and ignores max_output_size.
        if zstandard.frame_content_size(stored) != entry.raw:
            raise Corrupt("a frame announces another length than the map")
        plain = zstandard.ZstdDecompressor().decompress(stored, max_output_size=entry.raw)
    except zstandard.ZstdError as error:
        raise Corrupt(f"a frame does not decompress: {error}") from error
    if len(plain) != entry.raw:
        raise Corrupt(f"a frame of {len(plain)} plain bytes, expected {entry.raw}")
    return plain


def block_in_frame(entry: MapEntry, frame: bytes, block_size: int, size: int) -> bytes:
    """The plain bytes of one block of `size` bytes; its digest is still to be checked."""
    at = entry.slot * block_size
    block = frame[at : at + size]
    if len(block) != size:
        raise Corrupt(f"a frame of {len(frame)} bytes does not hold its block {entry.slot}")
    return block
