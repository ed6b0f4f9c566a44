"""Frames: one or a few consecutive blocks, stored raw or as one zstd frame, opened within limits.

A frame is kept raw when zstd gains less than 5 %: it would cost time at every restore and save
nothing. The plain length stands in the map, and a zstd frame that announces another one is refused
before anything is allocated: decompression is bounded by the map, not by the stored bytes. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import zstandard

from snapshotter.errors import Corrupt
from snapshotter.format import BLOCK_LIMIT, RAW, ZSTD, MapEntry

# Level 1 keeps up with a disk. Pages hold rows as they are: level 2 takes a twentieth longer for
# them, leaves out 2 % more and is unpacked as fast; of DuckDB's blocks, packed already, 1 % in
# twice the time.
_LEVEL, _PAGES_LEVEL = 1, 2
_WORTH_IT = 0.95


class Piece(NamedTuple):
    """Plain bytes that become a frame. `is_shared`: of several blocks.

    The digest of such a frame is of its stored bytes, so zstd's own checksum goes with the plain
    ones: nothing between reading a page and writing it is taken on trust.
    """

    plain: bytes | memoryview
    is_shared: bool = False


class Sealer:
    """Makes frames, many by one call, which goes on without Python's lock. For one thread.

    A call for each page has to get that lock back each time, and beside a busy thread waits
    milliseconds for it, where compressing the page takes microseconds.
    """

    def __init__(self) -> None:
        self._plainly = zstandard.ZstdCompressor(level=_LEVEL)
        self._checked = zstandard.ZstdCompressor(level=_PAGES_LEVEL, write_checksum=True)

    def seal(self, pieces: Sequence[Piece]) -> list[tuple[int, bytes]]:
        """Codec and stored bytes of each piece's frame; none may be empty."""
        sealed = [(RAW, b"")] * len(pieces)
        for compressor, is_shared in ((self._plainly, False), (self._checked, True)):
            chosen = [at for at, piece in enumerate(pieces) if piece.is_shared == is_shared]
            if not chosen:
                continue
            packed = _packed(compressor, [pieces[at].plain for at in chosen])
            for at, one in zip(chosen, packed, strict=True):
                plain = pieces[at].plain
                is_worth_it = len(one) <= len(plain) * _WORTH_IT
                sealed[at] = (ZSTD, one) if is_worth_it else (RAW, bytes(plain))
        return sealed


def _packed(
    compressor: zstandard.ZstdCompressor, plains: list[bytes | memoryview]
) -> Iterator[bytes]:
    if "multi_compress_to_buffer" not in zstandard.backend_features:
        return map(compressor.compress, plains)  # built against a system's own zstd
    made = compressor.multi_compress_to_buffer(plains)  # type: ignore[arg-type]  # any buffers
    return (made[at].tobytes() for at in range(len(made)))


class Opener:
    """Opens frames one after the other; a decompressor is made once. For one thread."""

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor()

    def open(self, entry: MapEntry, stored: bytes | memoryview, into: memoryview) -> None:
        """Put the plain bytes of the frame that `entry` lies in into `into`, `entry.raw` long.

        Raises Corrupt.
        """
        if len(stored) != entry.stored or entry.raw > BLOCK_LIMIT:
            raise Corrupt(f"a frame of {len(stored)} bytes, expected {entry.stored}")
        if entry.codec == RAW:
            if len(stored) != entry.raw:
                raise Corrupt(f"a frame of {len(stored)} plain bytes, expected {entry.raw}")
            into[:] = stored
            return
        if entry.codec != ZSTD:
            raise Corrupt(f"a frame of unknown codec {entry.codec}")
        try:
            if zstandard.frame_content_size(stored) != entry.raw:
                raise Corrupt("a frame announces another length than the map")
            with self._decompressor.stream_reader(stored) as frame:
                size = frame.readinto(into)
                # To the end of the frame, where its checksum is.
                size += len(frame.read(1))
        except zstandard.ZstdError as error:
            raise Corrupt(f"a frame does not decompress: {error}") from error
        if size != entry.raw:
            raise Corrupt(f"a frame of {size} plain bytes, expected {entry.raw}")


def open_frame(entry: MapEntry, stored: bytes) -> bytes:
    """The plain bytes of one frame. Raises Corrupt."""
    plain = bytearray(min(entry.raw, BLOCK_LIMIT))
    Opener().open(entry, stored, memoryview(plain))
    return bytes(plain)


def block_in_frame(entry: MapEntry, frame: bytes, block_size: int, size: int) -> bytes:
    """The plain bytes of one block of `size` bytes; its digest is still to be checked."""
    at = entry.slot * block_size
    block = frame[at : at + size]
    if len(block) != size:
        raise Corrupt(f"a frame of {len(frame)} bytes does not hold its block {entry.slot}")
    return block
