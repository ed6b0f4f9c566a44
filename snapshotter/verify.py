"""Is a snapshot whole? Metadata and sizes (fast), some blocks (sample), every block (full).

    fast     pointer, header and map by their digests; every pack is there and long enough
    sample   besides: some blocks at random, by their digests
    full     besides: every block

What is wrong with stored objects comes back as a list; a store that cannot be asked raises. A
thread holds one range of a pack (8 MiB) and one frame of it; decompression and digests leave
Python's lock, so that all cores take part.
"""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from snapshotter import catalog, codec, layout, reader
from snapshotter.base import missing_packs, pack_ends, read_known
from snapshotter.blockmap import KnownMap
from snapshotter.digest import digest
from snapshotter.errors import Corrupt, FormatTooNew, ObjectMissing
from snapshotter.format import DATA, ENTRY_BYTES, CatalogEntry, Header, Level, MapEntry, PartMap
from snapshotter.frames import block_in_frame, open_frame
from snapshotter.store import ObjectStore

# Called with stored bytes done and to do.
Progress = Callable[[int, int], None]

SAMPLED_BLOCKS = 64
_RANGE_BYTES = 8 * 1024 * 1024
_THREADS = max(8, os.cpu_count() or 1)
_GROUP_BLOCKS = 20_000


@dataclass(frozen=True, slots=True)
class Failure:
    """An object and what is wrong with it."""

    object: str
    what: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was looked at: packs, blocks by their digest, and stored bytes read for them."""

    snapshot_id: str | None
    level: Level
    failures: tuple[Failure, ...]
    packs: int = 0
    blocks: int = 0
    bytes_read: int = 0

    @property
    def ok(self) -> bool:
        return not self.failures


class _Block(NamedTuple):
    """A block and where it is stored; the digest of its frame, empty for a frame of its own."""

    part: PartMap
    number: int
    entry: MapEntry
    frame: bytes


@dataclass(frozen=True, slots=True)
class _Range:
    """Frames of one pack that are read at once."""

    pack: str
    offset: int
    size: int
    blocks: tuple[_Block, ...]


def verify(
    store: ObjectStore,
    dataset: str,
    snapshot_id: str | None = None,
    level: Level = "fast",
    *,
    samples: int = SAMPLED_BLOCKS,
    progress: Progress | None = None,
) -> VerifyReport:
    """Look at one snapshot, by default the current one. Raises ObjectMissing if there is none."""
    name = layout.pointer_key(dataset)
    try:
        pointer = reader.read_pointer(store, dataset)
        wanted = snapshot_id or pointer.current
        entries = reader.read_catalog(store, pointer)
        entry = None if wanted is None else catalog.by_id(entries, wanted)
    except (Corrupt, FormatTooNew) as error:
        return VerifyReport(snapshot_id, level, (Failure(name, str(error)),))
    if entry is None:
        raise ObjectMissing(
            f"{dataset} has no snapshot {snapshot_id}"
            if snapshot_id
            else f"{dataset} has none yet",
            hint="`snowmelt snapshots list` shows what there is",
        )
    return verify_entry(store, entry, level, samples=samples, progress=progress)


def verify_entry(
    store: ObjectStore,
    entry: CatalogEntry,
    level: Level = "fast",
    *,
    samples: int = SAMPLED_BLOCKS,
    progress: Progress | None = None,
) -> VerifyReport:
    """Look at a snapshot that the catalog lists."""
    try:
        header = reader.read_header(store, entry)
        known = read_known(store, header)
    except (Corrupt, FormatTooNew, ObjectMissing) as error:
        return VerifyReport(entry.snapshot_id, level, (Failure(entry.manifest, str(error)),))
    ends = pack_ends(known)
    failures = [Failure(key, what) for key, what in missing_packs(store, header.packs, ends)]
    lost = {failure.object for failure in failures}
    there = frozenset(place for place in ends if header.packs[place] not in lost)
    looked, done, total = 0, 0, header.stored_bytes
    for group in _groups(_wanted(known, level, samples), there):
        looked += len(group)
        ranges = list(_ranges(group, header.packs))
        if level == "sample":  # small enough to be one group
            total = sum(one.size for one in ranges)
        for size, found in _check(store, header, ranges):
            failures += found
            done += size
            if progress is not None:
                progress(done, max(done, total))
    return VerifyReport(entry.snapshot_id, level, tuple(failures), len(ends), looked, done)


def _wanted(known: KnownMap, level: Level, samples: int) -> Iterator[_Block]:
    """The blocks to look at, in map order."""
    if level == "full":
        yield from _data_blocks(known)
    elif level == "sample":
        total = sum(
            segment.data[::ENTRY_BYTES].count(DATA)  # the kind is an entry's first byte
            for segments in known.parts.values()
            for segment in segments
        )
        chosen = set(secrets.SystemRandom().sample(range(total), min(samples, total)))
        yield from (block for at, block in enumerate(_data_blocks(known)) if at in chosen)


def _data_blocks(known: KnownMap) -> Iterator[_Block]:
    for part in known.header.parts:
        for segment in known.parts[part.name]:
            entries = codec.unpack_entries(segment.data)
            yield from (
                _Block(part, number, entry, segment.frames.get((entry.pack, entry.offset), b""))
                for number, entry in enumerate(entries, segment.ref.first)
                if entry.kind == DATA
            )


def _groups(blocks: Iterator[_Block], places: frozenset[int]) -> Iterator[list[_Block]]:
    """Blocks of packs that are there, so many at a time that memory stays small."""
    there = (block for block in blocks if block.entry.pack in places)
    while group := list(itertools.islice(there, _GROUP_BLOCKS)):
        yield group


def _check(
    store: ObjectStore, header: Header, ranges: list[_Range]
) -> Iterator[tuple[int, list[Failure]]]:
    """Bytes read and what is wrong, range by range."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="verify") as pool:
        results = pool.map(lambda one: _check_range(store, header, one), ranges)
        yield from ((one.size, found) for one, found in zip(ranges, results, strict=True))


def _ranges(blocks: Iterable[_Block], packs: tuple[str, ...]) -> Iterator[_Range]:
    """Neighbouring frames of a pack, up to 8 MiB together, without bytes between them."""
    ordered = sorted(blocks, key=lambda block: (block.entry.pack, block.entry.offset))
    pending: list[_Block] = []
    start = end = 0
    for block in ordered:
        entry = block.entry
        fits = entry.offset <= end and entry.offset + entry.stored - start <= _RANGE_BYTES
        if pending and not (pending[0].entry.pack == entry.pack and fits):
            yield _Range(packs[pending[0].entry.pack], start, end - start, tuple(pending))
            pending = []
        if not pending:
            start = end = entry.offset
        pending.append(block)
        end = max(end, entry.offset + entry.stored)
    if pending:
        yield _Range(packs[pending[0].entry.pack], start, end - start, tuple(pending))


def _check_range(store: ObjectStore, header: Header, one: _Range) -> list[Failure]:
    try:
        data = store.get_range(one.pack, one.offset, one.size)
    except (Corrupt, ObjectMissing) as error:
        return [Failure(one.pack, str(error))]
    found: list[Failure] = []
    for _, blocks in itertools.groupby(one.blocks, key=lambda block: block.entry.offset):
        faults = _frame_faults(list(blocks), data, one.offset, header)
        found += [Failure(one.pack, fault) for fault in faults]
    return found


def _frame_faults(blocks: list[_Block], data: bytes, start: int, header: Header) -> Iterator[str]:
    """What is wrong with blocks that lie in the same place of a pack."""
    frame: bytes | Corrupt | None = None
    before: MapEntry | None = None
    for block in blocks:
        entry = block.entry
        if frame is None or before is None or entry[3:7] != before[3:7]:
            stored = data[entry.offset - start :][: entry.stored]
            frame, before = _frame(block, stored, header), entry
        fault = _block_fault(block, frame, header)
        if fault is not None:
            yield f"{block.part.name} block {block.number}: {fault}"


def _frame(block: _Block, stored: bytes, header: Header) -> bytes | Corrupt:
    if block.frame and digest(stored, header.digest_algorithm) != block.frame:
        return Corrupt("its frame does not match its digest")
    try:
        return open_frame(block.entry, stored)
    except Corrupt as error:
        return error


def _block_fault(block: _Block, frame: bytes | Corrupt, header: Header) -> str | None:
    if isinstance(frame, Corrupt):
        return str(frame)
    size = block.part.span(block.number)[1]
    try:
        plain = block_in_frame(block.entry, frame, block.part.block_size, size)
    except Corrupt as error:
        return str(error)
    right = digest(plain, header.digest_algorithm) == block.entry.digest
    return None if right else "does not match its digest"
