"""From the bytes of a read to checked blocks in files.

    frame -> its digest -> plain bytes -> digest of each block that has no frame digest
          -> positioned write of about 4 MiB

By as many threads at once as there are cores. Each has a buffer, a decompressor and a hasher for as
long as it works: fresh memory for each frame would cost as much as to fill it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

from cdc.errors import FileUnusable
from restorer.errors import NoSpace
from restorer.plan import BlockRun, Frame, RangedRead
from snapshotter.digest import Digester
from snapshotter.errors import Corrupt
from snapshotter.format import DigestAlgorithm, Header
from snapshotter.frames import Opener

_WRITE_BYTES = 4 * 1024 * 1024
_WRITE_PIECES = 512  # half of the longest vector that Linux takes in one write


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

    def __init__(
        self, header: Header, url: str, files: Sequence[Path], descriptors: Sequence[int]
    ) -> None:
        self._header = header
        self._url = url
        self._files = files
        self._descriptors = descriptors
        self._tools: SimpleQueue[_Tools] = SimpleQueue()
        for _ in range(len(os.sched_getaffinity(0))):
            self._tools.put(_Tools(header.digest_algorithm))

    def write(self, read: RangedRead, data: bytes) -> tuple[int, int]:
        """Bytes and blocks written. Raises Corrupt before a wrong block is written; NoSpace."""
        tools = self._tools.get()
        written = blocks = 0
        try:
            for frames in _batches(read.frames):
                runs = self._checked(read, frames, memoryview(data), tools)
                self._write(runs)
                written += sum(run.size for run, _ in runs)
                blocks += sum(run.blocks for run, _ in runs)
        finally:
            self._tools.put(tools)
        return written, blocks

    def _checked(
        self, read: RangedRead, frames: Sequence[Frame], data: memoryview, tools: _Tools
    ) -> list[tuple[BlockRun, memoryview]]:
        """Every run of blocks of these frames with its bytes, which are right."""
        room = tools.room(sum(frame.entry.raw for frame in frames))
        found, start = [], 0
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
            for run in frame.runs:
                blocks = plain[run.frame_offset : run.frame_offset + run.size]
                if not frame.digest:
                    self._check_blocks(read, run, blocks, tools.digester)
                found.append((run, blocks))
            start += entry.raw
        return found

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

    def _write(self, runs: Sequence[tuple[BlockRun, memoryview]]) -> None:
        """Write runs of blocks, neighbours in one call."""
        pending: list[memoryview] = []
        part = start = end = 0
        for run, blocks in runs:
            joins = run.part == part and run.file_offset == end and len(pending) < _WRITE_PIECES
            if pending and not joins:
                write_at(self._descriptors[part], pending, start, self._files[part])
                pending = []
            if not pending:
                part, start = run.part, run.file_offset
            pending.append(blocks)
            end = run.file_offset + run.size
        if pending:
            write_at(self._descriptors[part], pending, start, self._files[part])


def _batches(frames: Sequence[Frame]) -> Iterator[Sequence[Frame]]:
    """Frames of up to 4 MiB of plain bytes, or a larger one alone."""
    first = size = 0
    for number, frame in enumerate(frames):
        if size and size + frame.entry.raw > _WRITE_BYTES:
            yield frames[first:number]
            first, size = number, 0
        size += frame.entry.raw
    yield frames[first:]


def write_at(descriptor: int, pieces: list[memoryview], offset: int, path: Path) -> None:
    """Write all of the pieces, one behind the other. Raises NoSpace, FileUnusable."""
    try:
        done = os.pwritev(descriptor, pieces, offset)
        size = sum(map(len, pieces))
        if done < size:
            # A signal or a full disk cuts a write short; the second call tells which.
            rest = memoryview(b"".join(pieces))
            while done < size:
                done += os.pwrite(descriptor, rest[done:], offset + done)
    except OSError as error:
        raise write_failed(path, error) from error


def open_part(path: Path, length: int) -> int:
    """A descriptor of the file of a part, which is made, with its length. Raises as `fetch`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
        try:
            os.ftruncate(descriptor, length)
        except OSError:
            os.close(descriptor)
            raise
    except OSError as error:
        raise write_failed(path, error) from error
    return descriptor


def write_failed(path: Path, error: OSError) -> NoSpace | FileUnusable:
    """The named error for a failed write below the target."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"no space left while writing {path}")
    return FileUnusable(f"cannot write {path}: {error.strerror}")
