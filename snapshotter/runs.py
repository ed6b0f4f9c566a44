"""A map segment as runs: neighbouring blocks that are neighbours in one frame too, or holes.

Maps are long, and nearly all of a map is such runs: entries are compared as columns of integers,
and only the first of each run becomes a `MapEntry`. Nothing is judged here. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from snapshotter.format import DATA, ENTRY_BYTES, FramePlace, MapEntry

ENTRY = struct.Struct("<BBHIQII32s")
# The same bytes: kind, codec, slot and pack; offset; stored and raw.
_COLUMNS = struct.Struct("<QQQ32x")
_SLOT = 1 << 16


class Run(NamedTuple):
    """`length` entries from the segment's entry `first`. `entry` is the first of them.

    The others differ from it in their digest and, counting up, their slot. Of a hole they do not
    differ: all words are zero.
    """

    first: int
    length: int
    entry: MapEntry


def runs(entries: bytes) -> Iterator[Run]:
    """All encoded entries of a segment, in order."""
    if not entries:
        return
    heads, offsets, sizes = zip(*_COLUMNS.iter_unpack(entries), strict=True)
    at = 0
    for _, same in groupby(offsets):
        end = at + len(list(same))
        for begin, stop in _cuts(heads, sizes, at, end):
            entry = MapEntry._make(ENTRY.unpack_from(entries, begin * ENTRY_BYTES))
            yield Run(begin, stop - begin, entry)
        at = end


def shared_frames(found: Iterable[Run]) -> list[FramePlace]:
    """The frames of several blocks, in the order in which they are named: each has a digest."""
    blocks: dict[FramePlace, int] = {}
    for _, length, entry in found:
        if entry.kind == DATA:
            place = entry.pack, entry.offset
            blocks[place] = blocks.get(place, 0) + length
    return [place for place, count in blocks.items() if count > 1]


def _cuts(
    heads: Sequence[int], sizes: Sequence[int], at: int, end: int
) -> Iterator[tuple[int, int]]:
    """Where the runs among entries of one offset begin and end."""
    count, head = end - at, heads[at]
    step = _SLOT if head else 0
    if sizes[at:end].count(sizes[at]) == count and heads[at:end] == _counted(head, step, count):
        yield at, end
        return
    begin = at
    for here in range(at + 1, end):
        step = _SLOT if heads[here - 1] else 0
        if heads[here] != heads[here - 1] + step or sizes[here] != sizes[here - 1]:
            yield begin, here
            begin = here
    yield begin, end


def _counted(head: int, step: int, count: int) -> tuple[int, ...]:
    return tuple(range(head, head + step * count, step)) if step else (0,) * count
