"""Runs of a map segment: the same entries, however they lie."""

from hypothesis import given
from hypothesis import strategies as st

from snapshotter.format import DATA, HOLE, HOLE_ENTRY, ZSTD, MapEntry
from snapshotter.runs import runs, shared_frames
from tests.snapshotter.map_entries import packed


@st.composite
def entries(draw: st.DrawFn) -> list[MapEntry]:
    """Frames whose blocks were partly replaced, holes, and what no map should have."""
    found: list[MapEntry] = []
    for _ in range(draw(st.integers(0, 6))):
        pack, offset = draw(st.integers(0, 2)), draw(st.sampled_from([0, 100, 900]))
        first = draw(st.sampled_from([0, 3, 65_533]))
        for step in range(draw(st.integers(1, 5))):
            slot = (first + step) % 65_536
            digest = draw(st.sampled_from([b"1" * 32, b"2" * 32]))
            entry = MapEntry(DATA, ZSTD, slot, pack, offset, 50, 9000, digest)
            odd = [entry._replace(kind=HOLE), entry._replace(stored=51), entry._replace(codec=9)]
            found.append(draw(st.sampled_from([entry] * 9 + [HOLE_ENTRY] * 3 + odd)))
    return found


@given(entries())
def test_runs_are_the_entries_in_order_with_slots_that_count_up(found: list[MapEntry]) -> None:
    encoded = packed(found)

    again: list[MapEntry] = []
    for run in runs(encoded):
        assert run.first == len(again)
        is_hole = run.entry == HOLE_ENTRY
        for step in range(run.length):
            own = found[run.first + step]
            slot = run.entry.slot + (0 if is_hole else step)
            assert own == run.entry._replace(slot=slot, digest=own.digest)
            again.append(own)

    assert again == found


def test_the_last_slot_of_a_pack_is_not_followed_by_the_first_of_the_next() -> None:
    last = MapEntry(DATA, ZSTD, 65_535, 0, 100, 50, 9000, bytes(32))
    first = last._replace(slot=0, pack=1)

    assert [run.length for run in runs(packed([last, first]))] == [1, 1]


@given(entries())
def test_neighbours_of_one_frame_are_one_run(found: list[MapEntry]) -> None:
    encoded = packed(found)

    starts = [run.first for run in runs(encoded)][1:]

    for at in starts:
        before, here = found[at - 1], found[at]
        assert here != before._replace(slot=before.slot + 1, digest=here.digest)
        assert not (before == HOLE_ENTRY and here == HOLE_ENTRY)


def test_a_frame_counts_as_shared_wherever_its_blocks_lie() -> None:
    def at(offset: int, slot: int) -> MapEntry:
        return MapEntry(DATA, ZSTD, slot, 0, offset, 50, 9000, bytes(32))

    apart = [at(7, 0), at(9, 0), at(7, 2), HOLE_ENTRY, HOLE_ENTRY, at(3, 0), at(3, 1)]
    encoded = packed(apart)

    assert shared_frames(runs(encoded)) == [(0, 7), (0, 3)]
