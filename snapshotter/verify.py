"""Is a snapshot whole? Metadata and sizes (fast), some blocks (sample), every block (full).

    fast     pointer, header and map by their digests; every pack is there and long enough
    sample   besides: some blocks at random, by their digests
    full     besides: every block

What is wrong with stored objects comes back as a list; a store that cannot be asked raises.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from snapshotter import catalog, layout, reader
from snapshotter.base import missing_packs
from snapshotter.digest import digest
from snapshotter.errors import Corrupt, FormatTooNew, ObjectMissing
from snapshotter.format import DATA, CatalogEntry, Header, MapEntry, PartMap
from snapshotter.frames import block_in_frame, open_frame
from snapshotter.store import ObjectStore

Level = Literal["fast", "sample", "full"]
# Called with stored bytes done and to do.
Progress = Callable[[int, int], None]

SAMPLED_BLOCKS = 64
_RANGE_BYTES = 8 * 1024 * 1024
_THREADS = 4


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


@dataclass(frozen=True, slots=True)
class _Block:
    """A block and where it is stored."""

    part: PartMap
    number: int
    entry: MapEntry


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
    return _verify_entry(store, entry, level, samples, progress)


def _verify_entry(
    store: ObjectStore,
    entry: CatalogEntry,
    level: Level,
    samples: int,
    progress: Progress | None,
) -> VerifyReport:
    try:
        header = reader.read_header(store, entry)
        blocks = list(_blocks(store, header))
    except (Corrupt, FormatTooNew, ObjectMissing) as error:
        return VerifyReport(entry.snapshot_id, level, (Failure(entry.manifest, str(error)),))
    ends: dict[int, int] = {}
    for block in blocks:
        end = block.entry.offset + block.entry.stored
        ends[block.entry.pack] = max(ends.get(block.entry.pack, 0), end)
    lost = missing_packs(store, header.packs, ends)
    failures = [Failure(key, what) for key, what in lost]
    wanted = _wanted(blocks, level, samples, {key for key, _ in lost}, header)
    read, found = _read_blocks(store, header, wanted, progress)
    return VerifyReport(
        entry.snapshot_id,
        level,
        (*failures, *found),
        packs=len(ends),
        blocks=len(wanted),
        bytes_read=read,
    )


def _blocks(store: ObjectStore, header: Header) -> Iterator[_Block]:
    for part in header.parts:
        number = 0
        for entries in reader.read_entries(store, header, part):
            yield from (
                _Block(part, block, entry)
                for block, entry in enumerate(entries, number)
                if entry.kind == DATA
            )
            number += len(entries)


def _wanted(
    blocks: list[_Block], level: Level, samples: int, lost: set[str], header: Header
) -> list[_Block]:
    """The blocks to read; those of packs that are known to be lost say nothing new."""
    if level == "fast":
        return []
    there = [block for block in blocks if header.packs[block.entry.pack] not in lost]
    if level == "sample":
        there = secrets.SystemRandom().sample(there, min(samples, len(there)))
    return there


def _read_blocks(
    store: ObjectStore, header: Header, blocks: list[_Block], progress: Progress | None
) -> tuple[int, list[Failure]]:
    """Stored bytes that were read, and what is wrong with blocks."""
    ranges = list(_ranges(blocks, header.packs))
    total = sum(one.size for one in ranges)
    done, failures = 0, list[Failure]()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="verify") as pool:
        results = pool.map(lambda one: _check_range(store, header, one), ranges)
        for one, found in zip(ranges, results, strict=True):
            failures += found
            done += one.size
            if progress is not None:
                progress(done, total)
    return total, failures


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
    frames: dict[int, bytes | Corrupt] = {}
    faults = (_block_fault(block, data, one.offset, frames, header) for block in one.blocks)
    return [Failure(one.pack, fault) for fault in faults if fault]


def _block_fault(
    block: _Block, data: bytes, start: int, frames: dict[int, bytes | Corrupt], header: Header
) -> str | None:
    entry, where = block.entry, f"{block.part.name} block {block.number}"
    if entry.offset not in frames:
        at = entry.offset - start
        try:
            frames[entry.offset] = open_frame(entry, data[at : at + entry.stored])
        except Corrupt as error:
            frames[entry.offset] = error
    frame = frames[entry.offset]
    if isinstance(frame, Corrupt):
        return f"{where}: {frame}"
    size = block.part.span(block.number)[1]
    try:
        plain = block_in_frame(entry, frame, block.part.block_size, size)
    except Corrupt as error:
        return f"{where}: {error}"
    if digest(plain, header.digest_algorithm) != entry.digest:
        return f"{where}: does not match its digest"
    return None
