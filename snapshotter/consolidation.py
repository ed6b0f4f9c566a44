"""Which packs are emptied with the next snapshot: nearly dead ones, and small ones of very many.

Packs are deleted whole, so a block that lives long keeps the dead ones beside it in the store, and
each snapshot adds a pack. What still lives in a chosen pack is stored again with the next snapshot,
which thereby no longer needs the pack. A pack goes when three quarters of it are dead, so at most
one byte is stored again for three that died; and where there are many packs the smallest are
merged, so that each byte is in a large one soon. The bytes of one snapshot are bounded: it must not
be late because of this. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from snapshotter import codec
from snapshotter.blockmap import KnownMap, KnownSegment
from snapshotter.format import DIGEST_BYTES, ENTRY_BYTES

# Stored again with one snapshot at most: what a full pack still holds when it is to go.
MOST_BYTES = 16 * 1024 * 1024
# A snapshot may need this many packs; beyond, the smallest are merged.
MANY_PACKS = 512
_DEAD_SHARE = 4  # live bytes are at most one in so many
# The digest of no block, nor of a hole.
NEVER = b"\xff" * DIGEST_BYTES


def live_bytes(known: KnownMap) -> Counter[int]:
    """Stored bytes of live blocks by place of their pack."""
    live: Counter[int] = Counter()
    for segment in (segment for part in known.parts.values() for segment in part):
        live.update(segment.live)
    return live


def choose(
    known: KnownMap, *, most_bytes: int = MOST_BYTES, many_packs: int = MANY_PACKS
) -> frozenset[int]:
    """Places of the packs whose live blocks are to be stored again."""
    live, lengths = live_bytes(known), known.header.pack_bytes
    by_share = sorted(live, key=lambda place: live[place] / max(1, lengths[place]))
    dead = [place for place in by_share if live[place] * _DEAD_SHARE <= lengths[place]]
    chosen = list(_within(dead, live, most_bytes))
    if len(live) - len(chosen) > many_packs:
        left = most_bytes - sum(live[place] for place in chosen)
        rest = live.keys() - set(chosen)
        small = sorted((place for place in rest if 2 * live[place] <= left), key=live.__getitem__)
        merged = list(_within(small, live, left))
        # One pack in place of one is no gain.
        chosen += merged if len(merged) > 1 or chosen else []
    return frozenset(chosen)


def _within(places: Iterable[int], live: Counter[int], most_bytes: int) -> Iterable[int]:
    for place in places:
        if live[place] <= most_bytes:
            most_bytes -= live[place]
            yield place


def without(segments: Sequence[KnownSegment], places: frozenset[int]) -> tuple[KnownSegment, ...]:
    """The segments to compare with, in which no block of these packs equals what it was."""
    return tuple(_without(segment, places) for segment in segments)


def _without(segment: KnownSegment, places: frozenset[int]) -> KnownSegment:
    if places.isdisjoint(segment.live):
        return segment
    data = bytearray(segment.data)
    for number, entry in enumerate(codec.unpack_entries(segment.data)):
        if entry.pack in places:
            end = (number + 1) * ENTRY_BYTES
            data[end - DIGEST_BYTES : end] = NEVER
    return replace(segment, data=bytes(data))
