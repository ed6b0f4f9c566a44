"""From the maps of a snapshot to ranged reads: what to fetch, in which order, and how much.

The reads are made window by window while they are consumed, because the entries of a large map
would take more memory than all of the download: a window is 32 segments of 1,024 blocks of one
part. Inside a window frames are taken in the order in which they lie in their packs, which is file
order where a pack is a base; neighbours share a read of up to 8 MiB, and a frame of several blocks
is read once. Holes are not read: the restored file is sparse there. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from snapshotter import codec
from snapshotter.format import DATA, ENTRY_BYTES, Header, MapEntry, PartMap

READ_BYTES = 8 * 1024 * 1024
# A request costs about as much time as 64 KiB more of an answer.
GAP_BYTES = 64 * 1024
_WINDOW_SEGMENTS = 32
# What the file system itself and the engine's first open take.
_SLACK_BYTES = 4 * 1024 * 1024


class BlockRun(NamedTuple):
    """Neighbouring blocks of a part that are neighbours in their frame too: one piece of bytes.

    `number`: of the first block. All have `block_size` bytes, but for the last, which has the rest.
    """

    part: int
    number: int
    file_offset: int
    size: int
    block_size: int
    frame_offset: int
    digests: tuple[bytes, ...]


class Frame(NamedTuple):
    """A frame and the blocks wanted from it; `entry` says how it is stored."""

    entry: MapEntry
    runs: tuple[BlockRun, ...]


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
    segments: tuple[tuple[bytes, ...], ...]
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
            for first in range(0, len(segments), _WINDOW_SEGMENTS):
                window = slice(first, first + _WINDOW_SEGMENTS)
                refs = part.segments[window]
                entries = [
                    codec.decode_segment(data, ref, part, self.header)
                    for ref, data in zip(refs, segments[window], strict=True)
                ]
                frames = _frames(ordinal, part, refs[0].first, entries)
                if is_there is None:
                    yield from _coalesced(self.header, frames, GAP_BYTES)
                else:
                    missing = [frame for frame in frames if not is_there(frame)]
                    yield from _coalesced(self.header, missing, 0)


def make_plan(header: Header, segments: Sequence[Sequence[bytes]]) -> Plan:
    """The plan for a header and the encoded segments of each of its parts, in the parts' order."""
    blocks = holes = data_bytes = 0
    for part, encoded in zip(header.parts, segments, strict=True):
        # The kind is the first byte of each entry: counting it needs no decoding.
        data = sum(segment[::ENTRY_BYTES].count(DATA) for segment in encoded)
        blocks += data
        holes += part.block_count - data
        data_bytes += min(data * max(part.block_size, part.preamble), part.length)
    return Plan(
        header=header,
        segments=tuple(tuple(encoded) for encoded in segments),
        download_bytes=header.stored_bytes,
        data_bytes=data_bytes,
        blocks=blocks,
        holes=holes,
    )


def _frames(
    ordinal: int, part: PartMap, first: int, window: Sequence[Sequence[MapEntry]]
) -> list[Frame]:
    """The frames of a window, in the order in which they lie in their packs."""
    frames: dict[tuple[int, ...], tuple[MapEntry, list[BlockRun]]] = {}
    for entry, number, digests in _runs(first, window):
        where = (entry.pack, entry.offset, entry.stored, entry.raw, entry.codec)
        run = _run(ordinal, part, entry, number, digests)
        frames.setdefault(where, (entry, []))[1].append(run)
    return [Frame(entry, tuple(runs)) for _, (entry, runs) in sorted(frames.items())]


def _runs(
    first: int, window: Sequence[Sequence[MapEntry]]
) -> Iterator[tuple[MapEntry, int, list[bytes]]]:
    """The first entry of each run, its block number, and the run's digests."""
    opening: MapEntry | None = None
    digests: list[bytes] = []
    opened_at = 0
    for number, entry in enumerate(chain.from_iterable(window), first):
        if opening is not None and _follows(opening, entry, number - opened_at):
            digests.append(entry.digest)
            continue
        if opening is not None:
            yield opening, opened_at, digests
        opening = entry if entry.kind == DATA else None
        opened_at, digests = number, [entry.digest]
    if opening is not None:
        yield opening, opened_at, digests


def _follows(opening: MapEntry, entry: MapEntry, distance: int) -> bool:
    """True if the entry is the block `distance` behind the run's first, in its frame too."""
    return (
        entry.slot == opening.slot + distance
        and entry.kind == DATA
        and entry.offset == opening.offset
        and entry[3:7] == opening[3:7]
        and entry.codec == opening.codec
    )


def _run(
    ordinal: int, part: PartMap, entry: MapEntry, number: int, digests: list[bytes]
) -> BlockRun:
    offset, block_size = part.span(number)
    last_offset, last_size = part.span(number + len(digests) - 1)
    return BlockRun(
        part=ordinal,
        number=number,
        file_offset=offset,
        size=last_offset + last_size - offset,
        block_size=block_size,
        frame_offset=entry.slot * part.block_size,
        digests=tuple(digests),
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
