"""Parallel download of a plan into files, each block checked before it is written.

    ranged read -> frame -> plain bytes -> digest of each block -> positioned write

Eight threads by default: decompression, digests and file I/O leave Python's lock. A thread holds
one read (8 MiB) and the frames of one write (4 MiB), so memory is bounded by the number of threads.
A file gets its length first and stays sparse where the map has holes. The first error stops the
other threads. Files that a killed fetch left are gone on with: what they hold is checked like what
is fetched, and only the rest is asked for.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cdc.errors import FileUnusable
from restorer.errors import NoSpace
from restorer.plan import BlockRun, Frame, Plan, RangedRead
from snapshotter.digest import digest
from snapshotter.errors import Corrupt
from snapshotter.format import DigestAlgorithm, Header
from snapshotter.frames import open_frame
from snapshotter.store import ObjectStore

THREADS = 8
_WRITE_BYTES = 4 * 1024 * 1024
_WRITE_PIECES = 512  # half of the longest vector that Linux takes in one write

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was done. `bytes_fetched` includes gaps between frames that were read along.

    `bytes_kept`: stored bytes of what the files held already.
    """

    bytes_fetched: int
    bytes_written: int
    blocks: int
    bytes_kept: int = 0


def fetch(
    store: ObjectStore,
    plan: Plan,
    files: Sequence[Path],
    *,
    threads: int = THREADS,
    progress: Progress | None = None,
) -> Fetched:
    """Fill `files`, one for each part of the plan; they are created unless all are there.

    `progress` gets the bytes fetched or kept so far and those of all, from one thread at a time.
    Raises Corrupt (naming object, snapshot and block), ObjectMissing, NoSpace, FileUnusable and the
    store's errors.
    """
    tally = _Tally(plan.download_bytes, progress)
    with ExitStack() as opened:
        is_resumed = all(path.exists() for path in files)
        descriptors: list[int] = []
        for path, part in zip(files, plan.header.parts, strict=True):
            descriptors.append(_opened(path, part.length))
            opened.callback(os.close, descriptors[-1])

        def is_there(frame: Frame) -> bool:
            there = all(_holds(descriptors[run.part], run, plan.header) for run in frame.runs)
            if there:
                tally.keep(frame.entry.stored)
            return there

        reads = _Reads(plan.reads(is_there if is_resumed else None))

        def work() -> None:
            while (read := reads.next()) is not None:
                data = store.get_range(read.key, read.offset, read.length)
                blocks = _checked(read, data, plan.header, store.url)
                tally.add(len(data), *_written(blocks, descriptors, files))

        with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:
            workers = [pool.submit(work) for _ in range(threads)]
            try:
                wait(workers, return_when=FIRST_EXCEPTION)
            finally:
                reads.stop()
        for worker in workers:
            worker.result()
    return tally.total()


class _Reads:
    """The reads still to be done; each thread takes the next."""

    def __init__(self, reads: Iterator[RangedRead]) -> None:
        self._reads = reads
        self._lock = threading.Lock()
        self._stopped = False

    def next(self) -> RangedRead | None:
        with self._lock:
            return None if self._stopped else next(self._reads, None)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True


class _Tally:
    """Sums over all threads."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._to_fetch = total
        self._progress = progress
        self._lock = threading.Lock()
        self._fetched = self._written = self._blocks = self._kept = 0

    def add(self, fetched: int, written: int, blocks: int) -> None:
        with self._lock:
            self._fetched += fetched
            self._written += written
            self._blocks += blocks
            self._report()

    def keep(self, size: int) -> None:
        with self._lock:
            self._kept += size
            self._report()

    def total(self) -> Fetched:
        return Fetched(self._fetched, self._written, self._blocks, self._kept)

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(min(self._fetched + self._kept, self._to_fetch), self._to_fetch)


def _checked(
    read: RangedRead, data: bytes, header: Header, url: str
) -> Iterator[tuple[BlockRun, memoryview]]:
    """Every run of blocks of a read whose digests are right, in the order of the plan."""
    algorithm = header.digest_algorithm
    for entry, runs in read.frames:
        at = entry.offset - read.offset
        try:
            plain = memoryview(open_frame(entry, data[at : at + entry.stored]))
        except Corrupt as error:
            raise _damaged(read, runs[0], 0, header, url, str(error)) from error
        for run in runs:
            blocks = plain[run.frame_offset : run.frame_offset + run.size]
            found = _digests(blocks, run, algorithm)
            for number, pair in enumerate(zip(found, run.digests, strict=True)):
                if pair[0] != pair[1]:
                    why = "the block does not match its digest"
                    raise _damaged(read, run, number, header, url, why)
            yield run, blocks


def _digests(blocks: memoryview, run: BlockRun, algorithm: DigestAlgorithm) -> list[bytes]:
    starts = range(0, run.size, run.block_size)
    return [digest(blocks[start : start + run.block_size], algorithm) for start in starts]


def _holds(descriptor: int, run: BlockRun, header: Header) -> bool:
    """True if the file has every block of the run, as it should be."""
    blocks = memoryview(os.pread(descriptor, run.size, run.file_offset))
    whole = len(blocks) == run.size
    return whole and tuple(_digests(blocks, run, header.digest_algorithm)) == run.digests


def _damaged(
    read: RangedRead, run: BlockRun, number: int, header: Header, url: str, why: str
) -> Corrupt:
    block = f"block {run.number + number} of {header.parts[run.part].name}"
    where = f"{block}, snapshot {header.snapshot_id}"
    return Corrupt(f"{url}/{read.key} is damaged: {why} ({where})")


def _written(
    runs: Iterator[tuple[BlockRun, memoryview]], descriptors: list[int], files: Sequence[Path]
) -> tuple[int, int]:
    """Write runs of blocks, neighbours in one call. Returns bytes and blocks."""
    written = count = size = 0
    pending: list[memoryview] = []
    part = start = 0
    for run, blocks in runs:
        joins = run.part == part and run.file_offset == start + size
        if pending and not (joins and size < _WRITE_BYTES and len(pending) < _WRITE_PIECES):
            _write(descriptors[part], pending, start, files[part])
            pending, size = [], 0
        if not pending:
            part, start = run.part, run.file_offset
        pending.append(blocks)
        size += run.size
        written += run.size
        count += len(run.digests)
    if pending:
        _write(descriptors[part], pending, start, files[part])
    return written, count


def _write(descriptor: int, pieces: list[memoryview], offset: int, path: Path) -> None:
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


def _opened(path: Path, length: int) -> int:
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
