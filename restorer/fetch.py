"""Parallel download of a plan into files, each block checked before it is written.

    ranged read -> frame -> plain bytes -> digest of each block -> positioned write

Threads wait for the store together, as many as bring something (`restorer.line`); as many as there
are cores unpack, check and write, because more would only wait for Python's lock. What is read and
not yet written is bounded in bytes. A file gets its length first and stays sparse where the map has
holes. The first error stops the other threads. What is in the files already (`restorer.seed`) is
not asked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from restorer.bandwidth import Bandwidth
from restorer.line import SPARE, Job, Line, Patience
from restorer.part_file import PartFile
from restorer.plan import Frame, Plan
from restorer.stock import Stock
from restorer.writing import Unpacker
from snapshotter.errors import StoreUnreachable
from snapshotter.store import ObjectStore

__all__ = ["THREADS", "Fetched", "Progress", "fetch"]

# More would not fit into the bytes that are held; each keeps some memory of its own.
THREADS = 6

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was done. `bytes_fetched` includes gaps between frames that were read along.

    `bytes_kept` and `bytes_seeded`: stored bytes of what the files held already, and of what was
    copied from another file.
    """

    bytes_fetched: int
    bytes_written: int
    blocks: int
    bytes_kept: int = 0
    bytes_seeded: int = 0


def fetch(
    store: ObjectStore,
    plan: Plan,
    files: Sequence[Path],
    *,
    stock: Stock | None = None,
    threads: int = THREADS,
    bandwidth: Bandwidth | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Fill `files`, one for each part of the plan, with what is not in stock.

    `progress` gets the bytes fetched or there so far and those of all, from one thread at a time.
    Raises Corrupt (naming object, snapshot and block), ObjectMissing, NoSpace, FileUnusable and the
    store's errors.
    """
    tally = _Tally(plan.download_bytes, progress)

    def is_there(frame: Frame) -> bool:
        there = stock is not None and stock.has(frame)
        if stock is not None and there:
            tally.spare(frame.entry.stored, is_seeded=stock.is_seeded(frame))
        return there

    reads = plan.reads(None if stock is None or stock.is_empty else is_there)
    with _opened(files, plan) as opened:
        line = Line(reads, threads, patience or Patience())
        unpacker = Unpacker(plan.header, store.url, opened)
        worker = _Worker(store, line, unpacker, tally, bandwidth, _Rooms())
        # Daemons: one may still wait for an answer that no longer counts.
        for number in range(threads + SPARE):
            threading.Thread(target=worker.run, name=f"fetch-{number}", daemon=True).start()
        try:
            line.wait()
        finally:
            line.settle()
    return tally.total()


@contextmanager
def _opened(files: Sequence[Path], plan: Plan) -> Iterator[list[PartFile]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(PartFile(path, part.length)))
            for path, part in zip(files, plan.header.parts, strict=True)
        ]


class _Rooms:
    """Memory for what reads bring, used again: fresh pages cost as much CPU as all the rest."""

    def __init__(self) -> None:
        self._free: SimpleQueue[bytearray] = SimpleQueue()

    @contextmanager
    def room(self, size: int) -> Iterator[memoryview]:
        """So many bytes for a while."""
        try:
            found = self._free.get_nowait()
        except Empty:
            found = bytearray()
        if len(found) < size:
            found = bytearray(size)
        yield memoryview(found)[:size]
        self._free.put(found)


@dataclass(frozen=True, slots=True)
class _Worker:
    """What each thread does until nothing is left."""

    store: ObjectStore
    line: Line
    unpacker: Unpacker
    tally: _Tally
    bandwidth: Bandwidth | None
    rooms: _Rooms

    def run(self) -> None:
        while (job := self.line.next()) is not None:
            with self.rooms.room(job.read.length) as data:
                self._serve(job, data)

    def _serve(self, job: Job, data: memoryview) -> None:
        read = job.read
        try:
            if self.bandwidth is not None:
                self.line.pause(job, self.bandwidth.reserve(read.length))
            started = time.monotonic()
            self.store.read_into(read.key, read.offset, data)
        except StoreUnreachable as error:
            self.line.failed(job, error)
        except BaseException as error:  # noqa: BLE001 - raised where the fetch was asked for
            self.line.gave_up(job, error)
        else:
            if self.line.arrived(job, time.monotonic() - started):
                self._write(job, data)

    def _write(self, job: Job, data: memoryview) -> None:
        try:
            self.tally.add(len(data), *self.unpacker.write(job.read, data))
        except BaseException as error:  # noqa: BLE001 - as above
            self.line.stop(error)
        finally:
            self.line.written(job)


class _Tally:
    """Sums over all threads."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._to_fetch = total
        self._progress = progress
        self._lock = threading.Lock()
        self._fetched = self._written = self._blocks = self._kept = self._seeded = 0

    def add(self, fetched: int, written: int, blocks: int) -> None:
        with self._lock:
            self._fetched += fetched
            self._written += written
            self._blocks += blocks
            self._report()

    def spare(self, size: int, *, is_seeded: bool) -> None:
        with self._lock:
            self._kept += 0 if is_seeded else size
            self._seeded += size if is_seeded else 0
            self._report()

    def total(self) -> Fetched:
        return Fetched(self._fetched, self._written, self._blocks, self._kept, self._seeded)

    def _report(self) -> None:
        if self._progress is not None:
            done = self._fetched + self._kept + self._seeded
            self._progress(min(done, self._to_fetch), self._to_fetch)
