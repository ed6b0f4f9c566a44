"""Blocks that need no download: those that a file on this machine has already.

    what an interrupted restore left in staging (in its place) · the live file · the one before it
    · files that a person names                     -> a block counts once its digest is right

A seed is a source of bytes and no more: what does not match is fetched, and a seed that cannot be
read, that another process writes to, or that has nothing to do with the snapshot changes nothing
but the time of looking at a few of its blocks. Blocks stay at their offset, where the writer leaves
them too. A file system that can share extents shares them; elsewhere bytes are copied out of the
buffer that was checked. Holes of the map stay holes. What a snapshot leaves out of a page of SQLite
(`cdc.sqlite_slack`) is left out of the seed's before its digest is taken.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from cdc import live_files, sqlite_slack
from cdc.holes import punched
from restorer.fetch import Progress
from restorer.part_file import PartFile, write_failed
from restorer.plan import Plan
from restorer.stock import Stock, Stretch
from snapshotter.digest import digest
from snapshotter.format import DigestAlgorithm, Header, PartMap

THREADS = 4
_STRETCH_BYTES = 1024 * 1024
# Of a file that has one block in fifty, a sample of so many finds none once in 600,000 times.
_SAMPLE = 256
_CLONE_RANGE = 0x4020940D  # FICLONERANGE
_RANGE = struct.Struct("=qQQQ")


@dataclass(frozen=True, slots=True)
class _File:
    """The file of a part in staging, and how it is gone through."""

    stock: Stock
    part: int
    into: PartFile
    algorithm: DigestAlgorithm
    threads: int
    tell: Callable[[], None]
    is_sqlite: bool

    def cleared(self, stretch: Stretch, data: memoryview) -> memoryview:
        """What a snapshot of a file with these bytes would have of them."""
        if not self.is_sqlite:
            return data
        raw = bytes(data)
        clean = sqlite_slack.cleared(raw, stretch.offset)
        return data if clean is raw else memoryview(clean)

    def each_wanted(self, do: Callable[[Stretch], None]) -> None:
        """Do it for all that is still missing."""
        _each(do, self.stock.wanted(self.part, _STRETCH_BYTES), self.threads, self.tell)

    def matching(self, stretch: Stretch, view: memoryview) -> Iterator[tuple[int, int]]:
        """First block and count of each run of blocks in `view` that are as they should be."""
        begun, step = -1, stretch.block_size
        expected = self.stock.digests(self.part, stretch)
        for number, wanted in enumerate(expected):
            block = view[number * step : (number + 1) * step]
            if digest(block, self.algorithm) == wanted:
                begun = number if begun < 0 else begun
            elif begun >= 0:
                yield stretch.first + begun, number - begun
                begun = -1
        if begun >= 0:
            yield stretch.first + begun, len(expected) - begun


def take_stock(
    plan: Plan,
    files: Sequence[Path],
    seeds: Sequence[Path] = (),
    *,
    logs: Sequence[Path] = (),
    threads: int = THREADS,
    progress: Progress | None = None,
) -> Stock:
    """Make `files`, one for each part of the plan, and find what they and the seeds have of it.

    `logs`: seeds for the log. `progress` is called now and then, with nothing fetched so far.
    Raises NoSpace and FileUnusable for the files; a seed fails silently.
    """
    stock = Stock(plan)

    def tell() -> None:
        if progress is not None:
            progress(0, plan.download_bytes)

    with ExitStack() as opened:
        for number, (path, part) in enumerate(zip(files, plan.header.parts, strict=True)):
            was_there = path.exists()
            into = opened.enter_context(closing(PartFile(path, part.length)))
            algorithm = plan.header.digest_algorithm
            is_sqlite = has_pages(plan.header, part)
            file = _File(stock, number, into, algorithm, threads, tell, is_sqlite)
            if was_there:
                _empty_holes(file)
                _keep(file)
            for seed in seeds if part.name == "main" else logs:
                _sow(file, seed)
    return stock


def has_pages(header: Header, part: PartMap) -> bool:
    """True if a file has to be cleared of what a snapshot leaves out, before it is compared."""
    is_small = part.length <= sqlite_slack.LARGEST_BYTES
    return header.engine == "sqlite" and part.name == "main" and is_small


# ---------------------------------------------------------------- in its place


def _keep(file: _File) -> None:
    def check(stretch: Stretch) -> None:
        if _has_data(file.into.descriptor, stretch):
            for first, count in file.matching(stretch, _read(file.into.descriptor, stretch)):
                file.stock.add(file.part, first, count, is_seeded=False)

    file.each_wanted(check)


def _empty_holes(file: _File) -> None:
    """What an earlier try for another snapshot wrote where this one has nothing."""
    for hole in file.stock.holes(file.part):
        if not _has_data(file.into.descriptor, hole):
            continue
        if not punched(file.into.descriptor, hole.offset, hole.size):
            for at in range(0, hole.size, _STRETCH_BYTES):
                zeros = memoryview(bytes(min(_STRETCH_BYTES, hole.size - at)))
                file.into.write(zeros, hole.offset + at)


# ---------------------------------------------------------------- from elsewhere


def _sow(file: _File, seed: Path) -> None:
    try:
        with live_files.reading(seed) as source:
            if _is_related(file, source):
                if hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(source, 0, 0, os.POSIX_FADV_SEQUENTIAL)
                file.each_wanted(_Copying(file, source).take)
    except OSError:
        return  # what it gave so far was checked


def _is_related(file: _File, source: int) -> bool:
    """True if one of some blocks spread over the snapshot is in the seed too."""
    sample = file.stock.sample(file.part, _SAMPLE)
    return any(
        True for one in sample for _ in file.matching(one, file.cleared(one, _read(source, one)))
    )


class _Copying:
    """From one seed to one file, by several threads."""

    def __init__(self, file: _File, source: int) -> None:
        self._file = file
        self._source = source
        self._clones = True

    def take(self, stretch: Stretch) -> None:
        """Copy what is right of a stretch. Raises OSError for the seed, and write errors."""
        if not _has_data(self._source, stretch):
            return
        file = self._file
        # Who writes to the seed may do so meanwhile: what was cloned is checked where it is.
        is_cloned = self._clones and self._cloned(stretch)
        found = _read(file.into.descriptor if is_cloned else self._source, stretch)
        data = file.cleared(stretch, found)
        for first, blocks in file.matching(stretch, data):
            if data is not found or not is_cloned:
                at = (first - stretch.first) * stretch.block_size
                piece = data[at : at + blocks * stretch.block_size]
                file.into.write(piece, stretch.offset + at)
            file.stock.add(file.part, first, blocks, is_seeded=True)

    def _cloned(self, stretch: Stretch) -> bool:
        where = _RANGE.pack(self._source, stretch.offset, stretch.size, stretch.offset)
        try:
            fcntl.ioctl(self._file.into.descriptor, _CLONE_RANGE, where)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise write_failed(self._file.into.path, error) from error
            # A stretch may not begin or end with a block of the file system; that says no more.
            self._clones = self._clones and error.errno == errno.EINVAL
            return False
        return True


# ---------------------------------------------------------------- bytes


class _Buffer(threading.local):
    """A thread's own: fresh memory for each read would cost more than the read."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_STRETCH_BYTES))


_buffer = _Buffer()


def _read(descriptor: int, stretch: Stretch) -> memoryview:
    """The bytes of a stretch, fewer behind the end of the file; good until the next call."""
    if stretch.size > len(_buffer.view):
        _buffer.view = memoryview(bytearray(stretch.size))
    size = os.preadv(descriptor, [_buffer.view[: stretch.size]], stretch.offset)
    return _buffer.view[:size]


def _has_data(descriptor: int, stretch: Stretch) -> bool:
    """False if the range is a hole of the file, or behind its end."""
    try:
        start = os.lseek(descriptor, stretch.offset, os.SEEK_DATA)
    except OSError as error:
        return error.errno != errno.ENXIO
    return start < stretch.offset + stretch.size


def _each(
    do: Callable[[Stretch], None],
    stretches: Iterator[Stretch],
    threads: int,
    tell: Callable[[], None],
) -> None:
    """Do it for each stretch, by some threads; the first error ends all of them and is raised."""
    lock, ended = threading.Lock(), threading.Event()

    def work() -> None:
        while not ended.is_set():
            with lock:
                tell()
                stretch = next(stretches, None)
            if stretch is None:
                return
            do(stretch)

    with ThreadPoolExecutor(threads, thread_name_prefix="seed") as pool:
        workers = [pool.submit(work) for _ in range(threads)]
        try:
            wait(workers, return_when=FIRST_EXCEPTION)
        finally:
            ended.set()
    for worker in workers:
        worker.result()
