"""From the bytes of a read to checked blocks in files.

    frame -> its digest -> plain bytes -> digest of each block that has no frame digest
          -> positioned write of about 1 MiB

By as many threads at once as there are cores. Each has a buffer, a decompressor and a hasher for as
long as it works: fresh memory for each frame would cost as much as to fill it. A write is one piece
of memory and no more than fits into a core's cache: of 4 MiB in pieces of 64 KiB, it took ext4 four
times as long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from queue import SimpleQueue

from restorer.part_file import PartFile
from restorer.plan import BlockRun, Frame, RangedRead
from snapshotter.digest import Digester
from snapshotter.errors import Corrupt
from snapshotter.format import DigestAlgorithm, Header
from snapshotter.frames import Opener

_WRITE_BYTES = 1024 * 1024


class _Tools:
    """What one thread at a time works with."""

    def __init__(self, algorithm: DigestAlgorithm) -> None:
        self.opener = Opener()
        self.digester = Digester(algorithm)
        self._buffer = memoryview(bytearray(_WRITE_BYTES))

    def room(self, size: int) -> memoryview:
        """Memory of that size, good until the next call."""
        if size > len(self._buffer):
            self._buffer = memoryview(bytearray(size))
        return self._buffer[:size]


class Unpacker:
    """Writes what reads brought into the files of a snapshot's parts. Thread-safe."""

    def __init__(self, header: Header, url: str, files: Sequence[PartFile]) -> None:
        self._header = header
        self._url = url
        self._files = files
        self._tools: SimpleQueue[_Tools] = SimpleQueue()
        for _ in range(len(os.sched_getaffinity(0))):
            self._tools.put(_Tools(header.digest_algorithm))

    def write(self, read: RangedRead, data: memoryview) -> tuple[int, int]:
        """Bytes and blocks written. Raises Corrupt before a wrong block is written; NoSpace."""
        tools = self._tools.get()
        written = blocks = 0
        try:
            for frames in _batches(read.frames):
                room = tools.room(sum(frame.entry.raw for frame in frames))
                self._unpack(read, frames, data, room, tools)
                for part, offset, piece in _pieces(frames, room):
                    self._files[part].write(piece, offset)
                    written += len(piece)
                blocks += sum(run.blocks for frame in frames for run in frame.runs)
        finally:
            self._tools.put(tools)
        return written, blocks

    def _unpack(
        self,
        read: RangedRead,
        frames: Sequence[Frame],
        data: memoryview,
        room: memoryview,
        tools: _Tools,
    ) -> None:
        """Put the plain bytes of these frames into `room`, one behind the other. Raises Corrupt."""
        start = 0
        for frame in frames:
            entry = frame.entry
            at = entry.offset - read.offset
            stored = data[at : at + entry.stored]
            if frame.digest and tools.digester.of(stored) != frame.digest:
                why = "its frame does not match its digest"
                raise self._damaged(read, frame.runs[0], 0, why)
            plain = room[start : start + entry.raw]
            try:
                tools.opener.open(entry, stored, plain)
            except Corrupt as error:
                raise self._damaged(read, frame.runs[0], 0, str(error)) from error
            if not frame.digest:
                for run in frame.runs:
                    blocks = plain[run.frame_offset : run.frame_offset + run.size]
                    self._check_blocks(read, run, blocks, tools.digester)
            start += entry.raw

    def _check_blocks(
        self, read: RangedRead, run: BlockRun, blocks: memoryview, digester: Digester
    ) -> None:
        found, wanted = digester.of_blocks(blocks, run.block_size), run.digests
        if found != wanted:
            pairs = enumerate(zip(found, wanted, strict=False))
            wrong = next((at for at, pair in pairs if pair[0] != pair[1]), len(found))
            raise self._damaged(read, run, wrong, "the block does not match its digest")

    def _damaged(self, read: RangedRead, run: BlockRun, number: int, why: str) -> Corrupt:
        header = self._header
        block = f"block {run.number + number} of {header.parts[run.part].name}"
        where = f"{block}, snapshot {header.snapshot_id}"
        return Corrupt(f"{self._url}/{read.key} is damaged: {why} ({where})")


def _pieces(frames: Sequence[Frame], room: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Part, file offset and bytes of each write; `room` has the frames, one behind the other.

    Runs that are neighbours in the file and in memory go together.
    """
    part = offset = begin = end = start = 0
    for frame in frames:
        for run in frame.runs:
            at = start + run.frame_offset
            if (run.part, run.file_offset, at) != (part, offset + end - begin, end):
                if end > begin:
                    yield part, offset, room[begin:end]
                part, offset, begin = run.part, run.file_offset, at
            end = at + run.size
        start += frame.entry.raw
    yield part, offset, room[begin:end]


def _batches(frames: Sequence[Frame]) -> Iterator[Sequence[Frame]]:
    """Frames of up to 1 MiB of plain bytes, or a larger one alone."""
    first = size = 0
    for number, frame in enumerate(frames):
        if size and size + frame.entry.raw > _WRITE_BYTES:
            yield frames[first:number]
            first, size = number, 0
        size += frame.entry.raw
    yield frames[first:]
