"""Which blocks of a plan are on the disk already, so that nobody has to ask for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from restorer.plan import BlockRun, Frame, Plan
from snapshotter.digest import segment_digests
from snapshotter.format import DATA, ENTRY_BYTES, PartMap

_MISSING, _KEPT, _SEEDED = 0, 1, 2


class Stretch(NamedTuple):
    """Neighbouring blocks of a part, of one size but for the last: `size` bytes from `offset`."""

    first: int
    blocks: int
    offset: int
    size: int
    block_size: int


class Stock:
    """One mark for each block of each part. Threads may add different blocks at once.

    Kept is what an interrupted restore had verified, seeded what was copied from another file.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._marks = [bytearray(part.block_count) for part in plan.header.parts]

    def add(self, part: int, first: int, count: int, *, is_seeded: bool) -> None:
        """These blocks are in the part's file as they should be."""
        self._marks[part][first : first + count] = bytes([_SEEDED if is_seeded else _KEPT]) * count

    @property
    def is_empty(self) -> bool:
        """True if everything has to be fetched."""
        return not any(any(marks) for marks in self._marks)

    def has(self, frame: Frame) -> bool:
        """True if nothing of the frame has to be fetched."""
        return all(_MISSING not in self._of(run) for run in frame.runs)

    def is_seeded(self, frame: Frame) -> bool:
        """True if something of the frame was copied from another file."""
        return any(_SEEDED in self._of(run) for run in frame.runs)

    def _of(self, run: BlockRun) -> bytearray:
        return self._marks[run.part][run.number : run.number + run.blocks]

    def wanted(self, part: int, most_bytes: int) -> Iterator[Stretch]:
        """Data blocks that are not there, in stretches up to a size, none across a segment."""
        yield from self._stretches(part, most_bytes, is_data=True)

    def sample(self, part: int, most: int) -> Iterator[Stretch]:
        """Single data blocks that are not there, spread evenly over the part."""
        wanted = list(self.wanted(part, self._plan.header.parts[part].length))
        step = max(1, sum(stretch.blocks for stretch in wanted) // most)
        due, passed = step // 2, 0
        for stretch in wanted:
            while due < passed + stretch.blocks:
                at = (due - passed) * stretch.block_size
                size = min(stretch.block_size, stretch.size - at)
                yield Stretch(stretch.first + due - passed, 1, stretch.offset + at, size, size)
                due += step
            passed += stretch.blocks

    def holes(self, part: int) -> Iterator[Stretch]:
        """Blocks that restore as zeros."""
        yield from self._stretches(part, self._plan.header.parts[part].length, is_data=False)

    def digests(self, part: int, stretch: Stretch) -> list[bytes]:
        """What the blocks of a stretch should have."""
        entries = self._plan.header.parts[part].segment_entries
        segment = self._plan.segments[part][stretch.first // entries]
        return segment_digests(segment.entries, stretch.first % entries, stretch.blocks)

    def _stretches(self, ordinal: int, most_bytes: int, *, is_data: bool) -> Iterator[Stretch]:
        part, marks = self._plan.header.parts[ordinal], self._marks[ordinal]
        most = max(1, most_bytes // part.block_size)
        for number, segment in enumerate(self._plan.segments[ordinal]):
            begin = number * part.segment_entries
            kinds = segment.entries[::ENTRY_BYTES]
            wanted = bytes(
                (kind == DATA) == is_data and mark == _MISSING
                for kind, mark in zip(kinds, marks[begin : begin + len(kinds)], strict=True)
            )
            yield from _runs(part, begin, wanted, most)


def _runs(part: PartMap, begin: int, wanted: bytes, most: int) -> Iterator[Stretch]:
    at = wanted.find(1)
    while at >= 0:
        end = wanted.find(0, at)
        end = len(wanted) if end < 0 else end
        if part.preamble and begin + at == 0:
            end = 1  # it has a size of its own
        end = min(end, at + most)
        first, count = begin + at, end - at
        offset, size = part.stretch(first, count)
        yield Stretch(first, count, offset, size, size if count == 1 else part.block_size)
        at = wanted.find(1, end)
