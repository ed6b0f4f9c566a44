"""From the maps of a snapshot to ranged reads: what to fetch, in which order, and how much.

The reads are made window by window while they are consumed, because the entries of a large map
would take more memory than all of the download: a window is 32,768 blocks of one part. Inside a
window frames are taken in the order in which they lie in their packs, which is file order where a
pack is a base; neighbours share a read of up to 12 MiB, and a frame of several blocks is read once.
Holes are not read: the restored file is sparse there. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from snapshotter import codec
from snapshotter.digest import segment_digests
from snapshotter.format import (
    DATA,
    ENTRY_BYTES,
    FramePlace,
    Header,
    MapEntry,
    PartMap,
    Segment,
    SegmentRef,
)
from snapshotter.runs import Run

# A pack of 64 MiB is read by six requests.
READ_BYTES = 12 * 1024 * 1024
# A request costs about as much time as 64 KiB more of an answer.
GAP_BYTES = 64 * 1024
_WINDOW_ENTRIES = 32 * 1024
# What the file system itself and the engine's first open take.
_SLACK_BYTES = 4 * 1024 * 1024


class BlockRun(NamedTuple):
    """Neighbouring blocks of a part that are neighbours in their frame too: one piece of bytes.

    `number`: of the first block. All have `block_size` bytes, but for the last, which has the rest.
    Their digests stay in the map, where they begin at the entry `first` of `entries`.
    """

    part: int
    number: int
    blocks: int
    file_offset: int
    size: int
    block_size: int
    frame_offset: int
    entries: bytes
    first: int

    @property
    def digests(self) -> list[bytes]:
        """One for each block."""
        return segment_digests(self.entries, self.first, self.blocks)


class Frame(NamedTuple):
    """A frame and the blocks wanted from it; `entry` says how it is stored.

    `digest`: of its stored bytes, empty for a frame of one block, which has its own.
    """

    entry: MapEntry
    runs: tuple[BlockRun, ...]
    digest: bytes


class RangedRead(NamedTuple):
    """One request: `length` bytes from `offset` of the pack `key`, with the frames inside."""

    key: str
    offset: int
    length: int
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A restore, before its first request for data. `segments`: of each part, checked.

    `download_bytes`: frames, without the gaps read along. `data_bytes`: what is written to disk.
    """

    header: Header
    segments: tuple[tuple[Segment, ...], ...]
    download_bytes: int
    data_bytes: int
    blocks: int
    holes: int

    @property
    def disk_needed_bytes(self) -> int:
        """Space on the volume: the data, the log once more because it is folded in, and slack."""
        tails = sum(part.length for part in self.header.parts if part.name == "tail")
        return self.data_bytes + tails + _SLACK_BYTES

    def reads(self, is_there: Callable[[Frame], bool] | None = None) -> Iterator[RangedRead]:
        """Every read, in order. Raises Corrupt for an entry that cannot be.

        `is_there` names frames that a file has already: they are left out, and not read along.
        """
        for ordinal, (part, segments) in enumerate(
            zip(self.header.parts, self.segments, strict=True)
        ):
            step = max(1, _WINDOW_ENTRIES // part.segment_entries)
            for first in range(0, len(segments), step):
                window = slice(first, first + step)
                pairs = zip(part.segments[window], segments[window], strict=True)
                frames = frames_of(self.header, ordinal, pairs)
                if is_there is None:
                    yield from _coalesced(self.header, frames, GAP_BYTES)
                else:
                    missing = [frame for frame in frames if not is_there(frame)]
                    yield from _coalesced(self.header, missing, 0)


def make_plan(header: Header, segments: Sequence[Sequence[Segment]]) -> Plan:
    """The plan for a header and the segments of each of its parts, in the parts' order."""
    blocks = holes = data_bytes = 0
    for part, checked in zip(header.parts, segments, strict=True):
        # The kind is the first byte of each entry: counting it needs no decoding.
        data = sum(segment.entries[::ENTRY_BYTES].count(DATA) for segment in checked)
        blocks += data
        holes += part.block_count - data
        data_bytes += min(data * max(part.block_size, part.preamble), part.length)
    return Plan(
        header=header,
        segments=tuple(tuple(checked) for checked in segments),
        download_bytes=header.stored_bytes,
        data_bytes=data_bytes,
        blocks=blocks,
        holes=holes,
    )


def frames_of(
    header: Header, ordinal: int, window: Iterable[tuple[SegmentRef, Segment]]
) -> list[Frame]:
    """The frames of some segments of a part, in the order in which they lie in their packs.

    Raises Corrupt, FormatTooNew.
    """
    found: dict[tuple[int, ...], tuple[MapEntry, list[BlockRun]]] = {}
    digests: dict[FramePlace, bytes] = {}
    for ref, segment in window:
        runs, frames = codec.checked_runs(segment, ref, header.parts[ordinal], header)
        digests |= frames
        for run in runs:
            entry = run.entry
            own = _block_run(header.parts[ordinal], ordinal, ref, segment, run)
            # What a map says of one place in two ways are two frames: one will not have its digest.
            where = (entry.pack, entry.offset, entry.stored, entry.raw, entry.codec)
            found.setdefault(where, (entry, []))[1].append(own)
    return [
        Frame(entry, tuple(runs), digests.get((entry.pack, entry.offset), b""))
        for _, (entry, runs) in sorted(found.items())
    ]


def _block_run(
    part: PartMap, ordinal: int, ref: SegmentRef, segment: Segment, run: Run
) -> BlockRun:
    number = ref.first + run.first
    offset, size = part.stretch(number, run.length)
    return BlockRun(
        part=ordinal,
        number=number,
        blocks=run.length,
        file_offset=offset,
        size=size,
        block_size=size if run.length == 1 else part.block_size,
        frame_offset=run.entry.slot * part.block_size,
        entries=segment.entries,
        first=run.first,
    )


def _coalesced(header: Header, frames: Sequence[Frame], gap_bytes: int) -> Iterator[RangedRead]:
    run: list[Frame] = []
    start = end = 0
    for frame in frames:
        entry = frame.entry
        joins = (
            bool(run)
            and entry.pack == run[-1].entry.pack
            and entry.offset - end <= gap_bytes
            and entry.offset + entry.stored - start <= READ_BYTES
        )
        if run and not joins:
            yield _read(header, run, start, end)
            run = []
        if not run:
            start = end = entry.offset
        run.append(frame)
        end = max(end, entry.offset + entry.stored)
    if run:
        yield _read(header, run, start, end)


def _read(header: Header, run: list[Frame], start: int, end: int) -> RangedRead:
    return RangedRead(header.packs[run[0].entry.pack], start, end - start, tuple(run))
