"""One pass over a frozen part: read, digest, compare, compress, store, all from one buffer.

This thread reads in file order, digests, compares, and hands frames to the packs; two workers
compress a few batches of windows ahead, a call each. Small gaps between windows are read along, and
not looked at. The part is read by one thread only, so it need not be thread-safe.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from cdc.accelerator import FrozenPart
from snapshotter import blockmap, blocks, finder
from snapshotter.assemble import StoredPart
from snapshotter.blockmap import KnownMap, KnownSegment, Listed
from snapshotter.blocks import Frame, Geometry, Look, Window
from snapshotter.digest import Digester, root, segment_digests
from snapshotter.errors import Corrupt
from snapshotter.finder import Mark
from snapshotter.format import ENTRY_BYTES, DigestAlgorithm, FramePlace, PartName
from snapshotter.frames import Sealer
from snapshotter.packs import PackWriter

_WORKERS = 2
_AHEAD = 4  # batches of 4 MiB in memory
_BATCH_WINDOWS = 512
# To read so much more takes less than a second call beside busy threads.
_GAP_BYTES = 16 * 1024

OnRead = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where parts go: the packs, the manifest's key, and how blocks are digested.

    `marks`: of the parts at the snapshot that they are compared with.
    """

    packs: PackWriter
    manifest: str
    algorithm: DigestAlgorithm
    on_read: OnRead
    marks: Mapping[PartName, Mark]


def compared(
    part: FrozenPart, base: KnownMap | None, algorithm: DigestAlgorithm
) -> tuple[Geometry, tuple[KnownSegment, ...]]:
    """The part's shape, taken once, and the segments of the base that it is compared with."""
    shape = Geometry(part.name, part.length, part.block_size, part.preamble, part.used)
    old = None if base is None else base.part(shape, algorithm)
    entries = blockmap.segment_size(shape.block_count, None if old is None else old.segment_entries)
    shape = replace(shape, segment_entries=entries)
    return shape, () if base is None or old is None else base.segments(old, entries)


def store_part(
    part: FrozenPart,
    geometry: Geometry,
    before: tuple[KnownSegment, ...],
    target: Target,
    first_offset: int,
) -> StoredPart:
    """Put what changed since `before` into packs. `first_offset`: bytes of earlier new segments."""
    old = [segment_digests(segment.data) for segment in before]
    finding = finder.find(part, geometry, old, target.marks.get(part.name), time.monotonic())
    geometry = finder.reading(geometry, finding)
    most = geometry.segment_entries
    segments: list[KnownSegment] = []
    own: list[bytes] = []
    blocks_new, offset = 0, first_offset
    with contextlib.closing(_pipeline(part, geometry, old, target)) as pipeline:
        found = _Found(pipeline)
        for number, first in enumerate(range(0, geometry.block_count, most)):
            count = min(most, geometry.block_count - first)
            before_here = old[number] if number < len(old) else []
            digests = finder.kept(geometry, first, count, before_here)
            fresh, frames = _segment(first, digests, found, target.packs)
            finder.check_expected(geometry, finding, blockmap.blocks_of(fresh))
            blocks_new += sum(map(len, fresh.values())) // ENTRY_BYTES
            earlier = before[number] if number < len(before) else None
            merged = blockmap.merge(first, digests, fresh, frames, earlier)
            if isinstance(merged, Listed):
                new = merged.segment
                ref = blockmap.place(first, new, target.manifest, offset, target.algorithm)
                own.append(b"".join(new))
                offset += ref.length
                merged = blockmap.known(merged, ref, geometry.block_size)
            segments.append(merged)
    every = root((segment.data for segment in segments), target.algorithm)
    refs = tuple(segment.ref for segment in segments)
    part_map = geometry.part(every, refs)
    new_mark = finder.marked(part, finding)
    return StoredPart(part_map, tuple(segments), tuple(own), blocks_new, new_mark)


class _Found:
    """Windows that were looked at in order, with their frames, and the next one beforehand."""

    def __init__(self, pairs: Iterator[tuple[Look, list[Frame]]]) -> None:
        self._pairs = pairs
        self._next = next(pairs, None)

    def before(self, block: int) -> Iterator[tuple[Look, list[Frame]]]:
        """The windows that begin before this block."""
        while self._next is not None and self._next[0].window.first < block:
            yield self._next
            self._next = next(self._pairs, None)


def _segment(
    first: int, digests: list[bytes], found: _Found, packs: PackWriter
) -> tuple[dict[int, bytes], dict[FramePlace, bytes]]:
    """Fill in the digests of blocks that were read.

    Returns the entries of those that were stored, and the digests of frames of several.
    """
    fresh: dict[int, bytes] = {}
    digest_of: dict[FramePlace, bytes] = {}
    for seen, frames in found.before(first + len(digests)):
        at = seen.window.first - first
        digests[at : at + seen.window.count] = seen.digests
        for frame in frames:
            place = pack, offset = packs.add(frame.stored)
            if frame.digest:
                digest_of[place] = frame.digest
            inside = frame.first - first
            fresh[frame.first] = blockmap.frame_entries(
                frame, pack, offset, digests[inside : inside + frame.count]
            )
    return fresh, digest_of


def _pipeline(
    part: FrozenPart, geometry: Geometry, old: list[list[bytes]], target: Target
) -> Generator[tuple[Look, list[Frame]], None, None]:
    wanted = _batches(blocks.windows(geometry))
    check_room = getattr(part, "check_room", None)
    digester, size = Digester(target.algorithm), geometry.block_size
    waiting: deque[tuple[list[Look], Future[list[tuple[int, bytes]]]]] = deque()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="seal") as pool:
        try:
            while True:
                if check_room is not None:
                    check_room()
                for batch in itertools.islice(wanted, _AHEAD - len(waiting)):
                    looks = [
                        blocks.look(one, data, size, _before(geometry, old, one), digester)
                        for one, data in zip(batch, _read(part, batch), strict=True)
                    ]
                    pieces = [piece for seen in looks for piece in seen.pieces]
                    waiting.append((looks, pool.submit(Sealer().seal, pieces)))
                if not waiting:
                    return
                looks, job = waiting.popleft()
                target.on_read(sum(seen.window.size for seen in looks))
                sealed = iter(job.result())
                for seen in looks:
                    own = itertools.islice(sealed, len(seen.pieces))
                    yield seen, list(blocks.frames(seen, own, size, digester))
        finally:
            for _, job in waiting:
                job.cancel()


def _batches(windows: Iterator[Window]) -> Iterator[list[Window]]:
    """Windows that one job examines: a large one, or many that are a page each."""
    batch: list[Window] = []
    size = 0
    for window in windows:
        gap = _gap(batch[-1], window) if batch else 0
        added = window.size + (gap if gap <= _GAP_BYTES else 0)
        if batch and (size + added > blocks.WINDOW_BYTES or len(batch) >= _BATCH_WINDOWS):
            yield batch
            batch, size, added = [], 0, window.size
        batch.append(window)
        size += added
    if batch:
        yield batch


def _gap(before: Window, window: Window) -> int:
    return window.offset - before.offset - before.size


def _before(geometry: Geometry, old: list[list[bytes]], window: Window) -> list[bytes]:
    number, start = divmod(window.first, geometry.segment_entries)
    return old[number][start : start + window.count] if number < len(old) else []


def _read(part: FrozenPart, batch: list[Window]) -> list[memoryview]:
    """The bytes of each window."""
    found: list[memoryview] = []
    for group in _groups(batch):
        begin, last = group[0].offset, group[-1]
        data = memoryview(_read_all(part, begin, last.offset + last.size - begin))
        found += [data[one.offset - begin : one.offset - begin + one.size] for one in group]
    return found


def _groups(batch: list[Window]) -> Iterator[list[Window]]:
    """Windows that are near to one another, to be read at once."""
    group = batch[:1]
    for window in batch[1:]:
        if _gap(group[-1], window) > _GAP_BYTES:
            yield group
            group = []
        group.append(window)
    yield group


def _read_all(part: FrozenPart, offset: int, size: int) -> bytes:
    data = part.read(offset, size)
    if len(data) != size:
        raise Corrupt(
            f"the frozen file is shorter than it was: {len(data)} of {size} bytes at {offset}",
            hint="something else than this process writes the file",
        )
    return data
