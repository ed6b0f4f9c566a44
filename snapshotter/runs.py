"""A map segment as runs: neighbouring blocks that are neighbours in one frame too, or holes.

Maps are long, and nearly all of a map is such runs: entries are compared as columns of integers,
and only the first of each run becomes a `MapEntry`. Nothing is judged here. Pure.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from snapshotter.format import DATA, ENTRY_BYTES, FramePlace, MapEntry

ENTRY = struct.Struct("<BBHIQII32s")
# The same bytes as words: kind, codec, slot and pack; offset; stored and raw; four of the digest.
_WORDS = ENTRY_BYTES // 8
_SLOT = 1 << 16
_LAST_SLOT = 0xFFFF * _SLOT


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
    words = array("Q", entries)
    if sys.byteorder == "big":
        words.byteswap()
    columns = zip(words[0::_WORDS], words[1::_WORDS], words[2::_WORDS], strict=True)
    begin = wanted = place = extent = 0
    for at, (head, offset, size) in enumerate(columns):
        if head != wanted or offset != place or size != extent:
            if at:
                yield _run(entries, begin, at)
            begin, place, extent = at, offset, size
        wanted = head + _SLOT if head else 0
        if head & _LAST_SLOT == _LAST_SLOT:
            wanted = -1
    yield _run(entries, begin, len(words) // _WORDS)


def _run(entries: bytes, begin: int, end: int) -> Run:
    entry = MapEntry._make(ENTRY.unpack_from(entries, begin * ENTRY_BYTES))
    return Run(begin, end - begin, entry)


def shared_frames(found: Iterable[Run]) -> list[FramePlace]:
    """The frames of several blocks, in the order in which they are named: each has a digest."""
    blocks: dict[FramePlace, int] = {}
    for _, length, entry in found:
        if entry.kind == DATA:
            place = entry.pack, entry.offset
            blocks[place] = blocks.get(place, 0) + length
    return [place for place, count in blocks.items() if count > 1]
