"""Where the last commit ends in SQLite's write-ahead log, read from the wal-index without a lock.

The log's file size says nothing: a restarted log is overwritten from its beginning and keeps old
frames behind, and a rolled back transaction that had spilled leaves frames with the *current*
salts there. The wal-index header (file `-shm`, memory that all connections share) names the last
committed frame. It is written twice and carries a checksum, so a reader that saw two equal copies
saw one commit.

    -shm  0 version:u32  8 change:u32  12 init:u8  14 page_size:u16  16 max_frame:u32  20 pages:u32
          24 frame_checksum:2×u32  32 salt:8 bytes  40 checksum:2×u32  |  48 the same again
          96 backfilled:u32  128 backfill_attempted:u32                      (native byte order)
    -wal  0 header:32 bytes (salt at 16)  then frames of 24 + page_size bytes:
          0 page:u32  4 pages_after_commit:u32 (0: no commit)  8 salt  16 checksum  (big-endian)

Source: sqlite.org/walformat.html and wal.c. SQLite keeps POSIX locks on the -shm file, which
closing *any* descriptor of this process drops: a `WalIndex` lives until the last connection is
closed.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from cdc import live_files

WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24

_HEADER = struct.Struct("=IIIBBHII2I8s2I")
_VERSION = 3007000
_INFO_OFFSET = 2 * _HEADER.size
_INDEX_BYTES = _INFO_OFFSET + 40
_ATTEMPTED_OFFSET = _INFO_OFFSET + 32


@dataclass(frozen=True, slots=True)
class WalState:
    """One commit as the wal-index shows it. `frames` up to `backfilled` are in the main file too.

    `attempted` grows before a checkpoint touches the main file.
    """

    change: int
    frames: int
    pages: int
    page_size: int
    salt: bytes
    frame_checksum: tuple[int, int]
    backfilled: int
    attempted: int

    @property
    def length(self) -> int:
        """Bytes of the log up to the end of the commit; 0 if the log holds none."""
        if not self.frames:
            return 0
        return WAL_HEADER_BYTES + self.frames * (FRAME_HEADER_BYTES + self.page_size)

    @property
    def main_is_complete(self) -> bool:
        """True if the main file alone holds the commit."""
        return self.backfilled >= self.frames


def parse(index: bytes) -> WalState | None:
    """The state in the first bytes of the wal-index, or None if it is just being written."""
    if len(index) < _INDEX_BYTES:
        return None
    first = index[: _HEADER.size]
    fields = _HEADER.unpack(first)
    version, _, change, is_ready, _, page_size, frames, pages, sum_1, sum_2, salt = fields[:11]
    if first != index[_HEADER.size : _INFO_OFFSET] or fields[11:] != _checksum(first[:40]):
        return None
    if not is_ready or version != _VERSION:
        return None
    (backfilled,) = struct.unpack_from("=I", index, _INFO_OFFSET)
    (attempted,) = struct.unpack_from("=I", index, _ATTEMPTED_OFFSET)
    size = 65536 if page_size == 1 else page_size
    return WalState(change, frames, pages, size, salt, (sum_1, sum_2), backfilled, attempted)


def _checksum(data: bytes) -> tuple[int, int]:
    words = struct.unpack(f"={len(data) // 4}I", data)
    sum_1 = sum_2 = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        sum_1 = (sum_1 + even + sum_2) & 0xFFFFFFFF
        sum_2 = (sum_2 + odd + sum_1) & 0xFFFFFFFF
    return sum_1, sum_2


def ends_in_commit(descriptor: int, state: WalState) -> bool:
    """True if the log's last frame of `state` is the commit that the wal-index speaks of."""
    frame_bytes = FRAME_HEADER_BYTES + state.page_size
    offset = WAL_HEADER_BYTES + (state.frames - 1) * frame_bytes
    salt = os.pread(descriptor, 8, 16)
    frame = os.pread(descriptor, FRAME_HEADER_BYTES, offset)
    if len(frame) < FRAME_HEADER_BYTES or os.fstat(descriptor).st_size < state.length:
        return False
    _, pages, frame_salt, sum_1, sum_2 = struct.unpack(">II8sII", frame)
    is_commit = pages == state.pages and pages > 0
    return is_commit and salt == frame_salt == state.salt and (sum_1, sum_2) == state.frame_checksum


def page_ranges(log: Path) -> list[tuple[int, int]]:
    """Where the pages of a log lie in the main file: (offset, size) of each run of neighbours."""
    with log.open("rb") as file:
        header = file.read(WAL_HEADER_BYTES)
        if len(header) < WAL_HEADER_BYTES:
            return []
        (page_size,) = struct.unpack_from(">I", header, 8)
        pages: set[int] = set()
        while len(frame := file.read(FRAME_HEADER_BYTES)) == FRAME_HEADER_BYTES:
            pages.add(int.from_bytes(frame[:4], "big"))
            file.seek(page_size, os.SEEK_CUR)
    ranges: list[tuple[int, int]] = []
    for page in sorted(pages - {0}):
        offset = (page - 1) * page_size
        if ranges and sum(ranges[-1]) == offset:
            ranges[-1] = ranges[-1][0], ranges[-1][1] + page_size
        else:
            ranges.append((offset, page_size))
    return ranges


class WalIndex:
    """The open wal-index of a database that has at least one connection."""

    def __init__(self, database: Path) -> None:
        self._descriptor = os.open(f"{database}-shm", os.O_RDONLY)
        self._live = live_files.note(database)

    def state(self) -> WalState | None:
        """The last commit, or None while a commit is writing the header."""
        return parse(os.pread(self._descriptor, _INDEX_BYTES, 0))

    def close(self) -> None:
        """Only after every connection of this process to the database is closed."""
        os.close(self._descriptor)
        live_files.forget(self._live)
