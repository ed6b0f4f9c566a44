"""Windows, frames and segments: what is read, what is kept, what is written again."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter import blockmap, blocks, codec
from snapshotter.blockmap import KnownSegment, Listed
from snapshotter.blocks import Geometry, Window
from snapshotter.digest import Digester, digest
from snapshotter.errors import Corrupt
from snapshotter.format import DATA, HOLE_ENTRY, RAW, ZSTD, MapEntry, Segment, SegmentRef
from snapshotter.frames import Sealer
from snapshotter.runs import runs
from tests.snapshotter.map_entries import packed

PAGE = 4096
BIG = 256 * 1024


def geometry(length: int, block_size: int = PAGE, **changes: Any) -> Geometry:
    values: dict[str, Any] = {"name": "main", "preamble": 0, "used": None, **changes}
    return Geometry(length=length, block_size=block_size, **values)


SHAPES = st.builds(
    geometry,
    st.integers(0, 3_000_000),
    st.sampled_from([512, PAGE, 65536]),
    preamble=st.sampled_from([0, 512, 12288]),
    used=st.none() | st.frozensets(st.integers(0, 800)),
    segment_entries=st.sampled_from([64, 128, 1024]),
)


@given(SHAPES)
def test_windows_cover_exactly_the_used_blocks_in_order(shape: Geometry) -> None:
    found = [
        block
        for window in blocks.windows(shape)
        for block in range(window.first, window.first + window.count)
    ]
    wanted = list(range(shape.block_count))
    if shape.used is not None:
        used = shape.used | ({0} if shape.preamble else set())
        wanted = [block for block in wanted if block in used]

    assert found == wanted


@given(SHAPES)
def test_a_window_stays_in_its_segment_and_within_4_mib(shape: Geometry) -> None:
    part = shape.part("", ())
    for window in blocks.windows(shape):
        last = window.first + window.count - 1
        assert window.first // shape.segment_entries == last // shape.segment_entries
        assert window.size <= blocks.WINDOW_BYTES
        assert window.offset == part.span(window.first)[0]
        assert window.offset + window.size == sum(part.span(last))
        assert window.count == 1 or not (shape.preamble and window.first == 0)


def test_without_holes_every_byte_is_read_once() -> None:
    shape = geometry(10_000_001, BIG, preamble=12288)

    assert sum(window.size for window in blocks.windows(shape)) == 10_000_001


def test_the_preamble_always_matters() -> None:
    shape = geometry(12288 + 5 * BIG, BIG, preamble=12288, used=frozenset({3}))

    assert [window.first for window in blocks.windows(shape)] == [0, 3]


def test_block_sizes_that_no_map_can_hold_are_refused() -> None:
    for size in (0, 100, 32 * 1024 * 1024):
        with pytest.raises(ValueError, match="no map for blocks"):
            geometry(1000, size)


# ---------------------------------------------------------------- frames


def looked_at(data: bytes, before: list[bytes], block_size: int = PAGE) -> blocks.Look:
    window = Window(10, -(-len(data) // block_size), 0, len(data))
    return blocks.look(window, data, block_size, before, Digester("blake3"))


def frames_made(data: bytes, before: list[bytes], block_size: int = PAGE) -> list[blocks.Frame]:
    seen = looked_at(data, before, block_size)
    return list(blocks.frames(seen, Sealer().seal(seen.pieces), block_size, Digester("blake3")))


def digests(data: bytes, block_size: int = PAGE) -> list[bytes]:
    return [digest(data[at : at + block_size], "blake3") for at in range(0, len(data), block_size)]


def test_unchanged_blocks_make_no_frames() -> None:
    data = random.Random(1).randbytes(8 * PAGE)

    assert frames_made(data, digests(data)) == []


def test_neighbouring_changed_pages_share_a_frame_of_64_kib() -> None:
    frames = frames_made(random.Random(1).randbytes(40 * PAGE), [])

    assert [(frame.first, frame.count) for frame in frames] == [(10, 16), (26, 16), (42, 8)]
    assert frames[0].raw == 16 * PAGE


def test_a_page_in_between_that_did_not_change_parts_frames() -> None:
    data = random.Random(1).randbytes(5 * PAGE)
    before = [bytes(32)] * 5
    before[2] = digests(data)[2]

    assert [(f.first, f.count) for f in frames_made(data, before)] == [(10, 2), (13, 2)]


def test_a_large_block_is_a_frame_of_its_own() -> None:
    data = random.Random(1).randbytes(3 * BIG)

    assert [frame.count for frame in frames_made(data, [], BIG)] == [1, 1, 1]


def test_what_does_not_compress_is_stored_raw() -> None:
    noise, text = random.Random(1).randbytes(PAGE), b"abcd" * 1024

    assert frames_made(noise, [])[0].codec == RAW
    assert frames_made(noise, [])[0].stored == noise
    assert frames_made(text, [])[0].codec == ZSTD
    assert len(frames_made(text, [])[0].stored) < 100


def test_a_short_last_block_has_the_digest_of_its_own_bytes() -> None:
    data = random.Random(1).randbytes(PAGE + 5)

    assert looked_at(data, []).digests == digests(data)


# ---------------------------------------------------------------- segments


def entry(number: int, one: bytes) -> MapEntry:
    return MapEntry(DATA, RAW, 0, 0, number * PAGE, PAGE, PAGE, one)


def encoded(entries: bytes, frames: dict[tuple[int, int], bytes]) -> Segment:
    return codec.encode_segment(entries, runs(entries), frames, {})


def known(segment: Segment, ref: SegmentRef) -> KnownSegment:
    return blockmap.known(Listed(segment, list(runs(segment.entries))), ref, PAGE)


def segment_of(digests_: list[bytes], first: int = 0, key: str = "m") -> KnownSegment:
    segment = encoded(
        packed(entry(n, one) if one != ZERO else HOLE_ENTRY for n, one in enumerate(digests_)), {}
    )
    return known(segment, blockmap.place(first, segment, key, 0, "blake3"))


ONE, TWO, THREE, ZERO = b"1" * 32, b"2" * 32, b"3" * 32, bytes(32)


def frames_of(segment: Segment) -> dict[tuple[int, int], bytes]:
    return codec.frame_digests(segment, runs(segment.entries))


def test_a_segment_without_a_change_is_referenced_not_written() -> None:
    before = segment_of([ONE, ZERO, TWO])

    assert blockmap.merge(0, [ONE, ZERO, TWO], {}, {}, before) is before


def test_a_changed_block_makes_a_new_segment_that_keeps_the_others() -> None:
    before = segment_of([ONE, TWO], first=64)
    fresh = {65: packed([entry(9, THREE)])}
    merged = blockmap.merge(64, [ONE, THREE], fresh, {}, before)

    assert isinstance(merged, Listed)
    assert codec.unpack_entries(merged.segment.entries) == [entry(0, ONE), entry(9, THREE)]


def test_a_block_out_of_use_becomes_a_hole() -> None:
    merged = blockmap.merge(0, [ONE, ZERO], {}, {}, segment_of([ONE, TWO]))

    assert isinstance(merged, Listed)
    assert codec.unpack_entries(merged.segment.entries) == [entry(0, ONE), HOLE_ENTRY]


def test_a_segment_that_was_cut_anew_is_written_even_if_nothing_changed() -> None:
    before = segment_of([ONE, TWO], key="")

    merged = blockmap.merge(0, [ONE, TWO], {}, {}, before)

    assert isinstance(merged, Listed)
    assert merged.segment == Segment(before.data, b"")


def test_a_segment_counts_each_frame_once() -> None:
    shared = [MapEntry(DATA, ZSTD, slot, 4, 0, 900, 3 * PAGE, ONE) for slot in range(3)]
    segment = encoded(packed([*shared, HOLE_ENTRY, entry(7, TWO)]), {(4, 0): THREE})
    needs = known(segment, SegmentRef(0, 5, "m", 0, 1, ""))

    assert needs.stored == 900 + PAGE
    assert needs.live == {4: 900, 0: PAGE}


def test_a_segment_counts_what_lives_of_a_frame() -> None:
    left = [MapEntry(DATA, ZSTD, slot, 4, 0, 900, 3 * PAGE, ONE) for slot in (0, 2)]
    segment = encoded(packed([left[0], HOLE_ENTRY, left[1]]), {(4, 0): THREE})
    needs = known(segment, SegmentRef(0, 3, "m", 0, 1, ""))

    assert needs.live == {4: 600}


def test_a_frame_of_several_blocks_keeps_its_digest_until_one_block_of_it_is_left() -> None:
    pages = [MapEntry(DATA, ZSTD, slot, 4, 0, 900, 3 * PAGE, ONE) for slot in range(3)]
    first = encoded(packed(pages), {(4, 0): THREE})
    before = known(first, blockmap.place(0, first, "m", 0, "blake3"))

    two_left = blockmap.merge(0, [ONE, TWO, ONE], {1: packed([entry(7, TWO)])}, {}, before)
    assert isinstance(two_left, Listed)
    assert frames_of(two_left.segment) == {(4, 0): THREE}
    then = known(two_left.segment, blockmap.place(0, two_left.segment, "m", 0, "blake3"))
    one_left = blockmap.merge(0, [TWO, TWO, ONE], {0: packed([entry(8, TWO)])}, {}, then)

    assert isinstance(one_left, Listed)
    assert one_left.segment.frame_digests == b""
    assert codec.unpack_entries(one_left.segment.entries) == [
        entry(8, TWO),
        entry(7, TWO),
        pages[2],
    ]


def test_a_place_that_was_given_away_again_has_the_digest_of_the_new_frame() -> None:
    old = [MapEntry(DATA, ZSTD, slot, 4, 0, 900, 2 * PAGE, ONE) for slot in range(2)]
    first = encoded(packed(old), {(4, 0): ONE})
    before = known(first, blockmap.place(0, first, "m", 0, "blake3"))
    new = packed(each._replace(digest=TWO, stored=800) for each in old)

    merged = blockmap.merge(0, [TWO, TWO], {0: new}, {(4, 0): TWO}, before)

    assert isinstance(merged, Listed)
    assert frames_of(merged.segment) == {(4, 0): TWO}


def test_a_map_that_is_not_of_what_was_read_is_not_made() -> None:
    with pytest.raises(Corrupt, match="from block 64 on"):
        blockmap.merge(64, [ONE, THREE], {}, {}, segment_of([ONE, TWO], first=64))


def test_blocks_of_stored_frames() -> None:
    two = packed([entry(1, ONE), entry(2, TWO)])

    assert list(blockmap.blocks_of({64: two, 90: packed([entry(3, ONE)])})) == [64, 65, 90]


def test_free_places_are_those_that_no_segment_uses() -> None:
    places = blockmap.free_places(frozenset({0, 2}))

    assert [next(places) for _ in range(4)] == [1, 3, 4, 5]


def test_the_list_of_packs_ends_with_the_last_one_in_use() -> None:
    names = {0: "a", 1: "b", 2: "c", 3: "d"}

    assert blockmap.pack_list(names, frozenset({0, 2})) == ("a", "", "c")
    assert blockmap.pack_list(names, frozenset()) == ()


@pytest.mark.parametrize(
    "count, entries", [(0, 64), (500_000, 64), (600_000, 128), (2_600_000, 512)]
)
def test_segments_grow_with_the_map_so_that_the_header_stays_small(
    count: int, entries: int
) -> None:
    assert blockmap.segment_size(count, None) == entries


def test_a_map_keeps_the_size_of_its_segments_until_it_is_far_longer() -> None:
    assert blockmap.segment_size(1_000_000, 64) == 64
    assert blockmap.segment_size(1_200_000, 64) == 256
    assert blockmap.segment_size(1_000, 1024) == 1024
