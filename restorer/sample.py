"""A sample of a snapshot's frames, and what it says of all of them. Pure.

    map segments, all of them or some spread over each part -> their frames, as they lie in packs
    -> points at even distances along their stored bytes -> the frames that are hit

What a restore fetches are frames: one of several blocks is fetched whole for one block that is
missing. So frames are looked at, all blocks of each, and a frame counts by its stored bytes. Packs
are of one age, so what changed since lies together there, and an even sample does not miss it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from restorer.plan import Frame
from snapshotter.format import PartMap, SegmentRef

# 16 MiB of a SQLite file, 64 MiB of a DuckDB file: less than half a second of most disks.
MOST_FRAMES = 256
MOST_REQUESTS = 64
MOST_MAP_BYTES = 2 * 1024 * 1024
_TWO_SIGMA = 1.96  # nineteen times in twenty


class Share(NamedTuple):
    """A frame of the sample, and the stored bytes of the snapshot that it stands for."""

    frame: Frame
    stored_bytes: float


class Part(NamedTuple):
    """What is known of a part: the frames of the segments that were read, and all its segments."""

    map: PartMap
    read: Sequence[SegmentRef]
    frames: Sequence[Frame]

    @property
    def stored_bytes(self) -> float:
        """Of all its frames, as those say that are known."""
        known = sum(ref.count for ref in self.read)
        stored = sum(frame.entry.stored for frame in self.frames)
        return stored * self.map.block_count / known if known else 0.0


def segments_to_read(parts: Sequence[PartMap]) -> list[tuple[SegmentRef, ...]]:
    """Of each part: all segments of a small map, else some, spread evenly.

    They take at most MOST_REQUESTS ranged reads. All are small if they have MOST_MAP_BYTES; some
    have at most 5 MiB, because a segment has 1,024 entries at most.
    """
    every = [part.segments for part in parts]
    size = sum(ref.length for refs in every for ref in refs)
    if size <= MOST_MAP_BYTES and sum(map(_requests, every)) <= MOST_REQUESTS:
        return every
    chosen, left = list(every), MOST_REQUESTS
    # The shorter part first: what it does not need is the longer one's.
    for place, part in enumerate(sorted(range(len(parts)), key=lambda part: len(every[part]))):
        refs, most = every[part], left // (len(parts) - place)
        if len(refs) > most:
            chosen[part] = tuple(refs[(2 * at + 1) * len(refs) // (2 * most)] for at in range(most))
        left -= len(chosen[part])
    return chosen


def _requests(refs: Sequence[SegmentRef]) -> int:
    """Ranged reads for these: neighbours in one object share one."""
    parted = [
        (before.key, before.offset + before.length) != (after.key, after.offset)
        for before, after in pairwise(refs)
    ]
    return sum(parted) + bool(refs)


def shares(parts: Sequence[Part], stored_bytes: int) -> list[Share]:
    """All known frames if they are few, else MOST_FRAMES of them or fewer.

    `stored_bytes`: of the snapshot; the shares add up to that.
    """
    total = sum(part.stored_bytes for part in parts)
    line = [
        Share(frame, frame.entry.stored * part.map.block_count / known * stored_bytes / total)
        for part in parts
        if (known := sum(ref.count for ref in part.read))
        for frame in part.frames
    ]
    if len(line) <= MOST_FRAMES:
        return line
    found: list[Share] = []
    step, passed, points = stored_bytes / MOST_FRAMES, 0.0, 0
    for frame, size in line:
        passed += size
        hit = min(MOST_FRAMES, round(passed / step)) - points
        if hit:
            found.append(Share(frame, hit * step))
            points += hit
    return found


def margin_bytes(parts: Sequence[Part], looked_at: int, missing: float, stored_bytes: int) -> int:
    """By how much `missing` may be wrong, nineteen times in twenty, if changes lie at random.

    `looked_at`: frames of the sample. 0 if those are all.
    """
    is_whole = all(len(part.read) == len(part.map.segments) for part in parts)
    if is_whole and looked_at == sum(len(part.frames) for part in parts):
        return 0
    # Frames of one segment are neighbours, and no more than one witness.
    witnesses = looked_at if is_whole else min(looked_at, sum(len(part.read) for part in parts))
    share = missing / stored_bytes
    spread = _TWO_SIGMA * math.sqrt(share * (1 - share) / witnesses)
    # Where none of n differ, or all do, three in n may be otherwise.
    return math.ceil(stored_bytes * min(1.0, max(spread, 3 / witnesses)))
