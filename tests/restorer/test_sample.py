"""A sample of frames: spread evenly, worth all that is stored, honest about what it may miss."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorer.plan import Frame
from restorer.sample import (
    MOST_FRAMES,
    MOST_MAP_BYTES,
    MOST_REQUESTS,
    Part,
    margin_bytes,
    segments_to_read,
    shares,
)
from snapshotter.format import DATA, ZSTD, MapEntry, PartMap, PartName, SegmentRef

ENTRIES = 64


def frames(sizes: Sequence[int]) -> list[Frame]:
    """Frames of these stored sizes, as they lie in a pack."""
    found, offset = [], 0
    for size in sizes:
        entry = MapEntry(DATA, ZSTD, 0, 0, offset, size, 10 * size, bytes(32))
        found.append(Frame(entry, (), b""))
        offset += size
    return found


def segments(count: int, *, scattered: bool = False, entries: int = ENTRIES) -> list[SegmentRef]:
    """Behind one another in one manifest, or each in its own."""
    length = entries * 56
    return [
        SegmentRef(
            first=at * entries,
            count=entries,
            key=f"manifest-{at}" if scattered else "manifest",
            offset=1000 + (0 if scattered else at * length),
            frames=0,
            digest="",
        )
        for at in range(count)
    ]


def part(refs: Sequence[SegmentRef], name: PartName = "main") -> PartMap:
    blocks = sum(ref.count for ref in refs)
    return PartMap(name, blocks * 4096, 4096, 0, blocks, "", ENTRIES, tuple(refs))


def read_whole(sizes: Sequence[int], name: PartName = "main") -> Part:
    refs = segments(3)
    return Part(part(refs, name), refs, frames(sizes))


# ---------------------------------------------------------------- which segments


@pytest.mark.parametrize("count", [0, 1, 64, 500])
def test_a_small_map_in_one_piece_is_read_whole(count: int) -> None:
    main, tail = part(segments(count)), part(segments(2), "tail")

    assert segments_to_read([main, tail]) == [main.segments, tail.segments]


def test_a_map_in_more_pieces_than_requests_is_read_in_part_and_evenly() -> None:
    main, tail = part(segments(1000, scattered=True)), part(segments(3), "tail")

    chosen, log = segments_to_read([main, tail])

    assert log == tail.segments
    assert len(chosen) == MOST_REQUESTS - 3
    firsts = [ref.first // ENTRIES for ref in chosen]
    steps = {after - before for before, after in pairwise(firsts)}
    assert steps <= {16, 17}
    assert firsts[0] < 17
    assert firsts[-1] >= 1000 - 17


@pytest.mark.parametrize("scattered", [False, True])
def test_of_a_large_map_at_most_five_mebibytes_are_read(*, scattered: bool) -> None:
    whole = [part(segments(2000, scattered=scattered, entries=1024), name) for name in NAMES]

    chosen = segments_to_read(whole)

    read = sum(ref.length for refs in chosen for ref in refs)
    assert all(chosen)
    assert sum(map(len, chosen)) <= MOST_REQUESTS
    assert MOST_MAP_BYTES < read <= 5 * 1024 * 1024


NAMES: tuple[PartName, PartName] = ("main", "tail")


# ---------------------------------------------------------------- which frames


def test_few_frames_are_all_looked_at_and_count_what_they_are() -> None:
    known = read_whole(range(1, MOST_FRAMES + 1))

    found = shares([known], sum(range(MOST_FRAMES + 1)))

    assert [share.frame for share in found] == known.frames
    assert [share.stored_bytes for share in found] == pytest.approx(
        [frame.entry.stored for frame in known.frames]
    )


@given(st.lists(st.integers(1, 70_000), min_size=1, max_size=2000))
def test_the_shares_are_worth_all_that_is_stored_whatever_the_frames_are(sizes: list[int]) -> None:
    half = len(sizes) // 2
    parts = [read_whole(sizes[half:]), read_whole(sizes[:half], "tail")]

    found = shares(parts, sum(sizes))

    assert len(found) <= max(MOST_FRAMES, 1)
    assert len({id(share.frame) for share in found}) == len(found)
    assert sum(share.stored_bytes for share in found) == pytest.approx(sum(sizes))


@given(st.lists(st.integers(1, 70_000), min_size=MOST_FRAMES + 1, max_size=2000), st.data())
def test_what_lies_together_in_a_pack_is_found_to_a_step_of_the_sample(
    sizes: list[int], data: st.DataObject
) -> None:
    """As the blocks of the newest snapshot do, which a stale file lacks."""
    first = data.draw(st.integers(0, len(sizes)))
    last = data.draw(st.integers(first, len(sizes)))
    known = read_whole(sizes)
    lacking = {id(frame) for frame in known.frames[first:last]}

    found = shares([known], sum(sizes))

    told = sum(share.stored_bytes for share in found if id(share.frame) in lacking)
    assert abs(told - sum(sizes[first:last])) <= 1.01 * sum(sizes) / MOST_FRAMES


def test_a_part_of_a_map_stands_for_the_rest_of_it() -> None:
    refs = segments(10)
    main = Part(part(refs), refs[::5], frames([100] * 8))  # a fifth: 800 of about 4,000
    tail = Part(part(segments(1), "tail"), segments(1), frames([500, 500]))

    found = shares([main, tail], 5000)

    assert [share.stored_bytes for share in found] == pytest.approx([500] * 10)
    assert shares([Part(part(refs), refs[:1], [])], 5000) == []


# ---------------------------------------------------------------- how far it may be off


def test_only_a_look_at_everything_leaves_no_margin() -> None:
    known = read_whole([100] * 50)
    in_part = Part(known.map, known.read[:1], known.frames)

    assert margin_bytes([known], 50, 2500, 5000) == 0
    assert margin_bytes([known], 49, 2500, 5000) > 0
    assert margin_bytes([in_part], 50, 2500, 5000) > 0


def test_a_sample_in_which_nothing_differs_does_not_say_that_nothing_does() -> None:
    known = read_whole([100] * 1000)

    of_nothing = margin_bytes([known], 256, 0, 100_000)

    assert of_nothing == margin_bytes([known], 256, 100_000, 100_000) == 1172  # three in 256
    assert margin_bytes([known], 256, 50_000, 100_000) == 6125  # at most six in a hundred


def test_neighbours_in_a_map_that_was_read_in_part_count_once() -> None:
    refs = segments(1000, scattered=True)
    main = Part(part(refs), refs[:64], frames([100] * 256))

    assert margin_bytes([main], 256, 50_000, 100_000) == 12_250


def test_one_frame_alone_may_be_anything() -> None:
    refs = segments(1000, scattered=True)
    main = Part(part(refs), refs[:1], frames([100]))

    assert margin_bytes([main], 1, 100_000, 100_000) == 100_000
