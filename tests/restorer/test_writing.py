"""What is written where: every block of some frames to its own place, however frames are used."""

from hypothesis import given
from hypothesis import strategies as st

from restorer.plan import BlockRun, Frame
from restorer.writing import _pieces
from snapshotter.format import DATA, RAW, MapEntry

BLOCK = 4
Place = tuple[int, int]


def run_of(part: int, number: int, blocks: int, slot: int) -> BlockRun:
    size = blocks * BLOCK
    return BlockRun(part, number, blocks, number * BLOCK, size, BLOCK, slot * BLOCK, b"", 0)


def frame_of(runs: list[BlockRun], slots: int) -> Frame:
    raw = slots * BLOCK
    return Frame(MapEntry(DATA, RAW, 0, 0, 0, raw, raw, bytes(32)), tuple(runs), b"digest")


@st.composite
def frames(draw: st.DrawFn) -> list[Frame]:
    """Of a few blocks each, of which some are stale; all in one corner of two files."""
    found, taken = list[Frame](), set[Place]()
    for _ in range(draw(st.integers(1, 5))):
        part, first = draw(st.integers(0, 1)), draw(st.integers(0, 8))
        used = draw(st.lists(st.booleans(), min_size=1, max_size=4))
        runs: list[BlockRun] = []
        for slot, is_used in enumerate(used):
            if is_used and (part, first + slot) not in taken:
                taken.add((part, first + slot))
                runs.append(run_of(part, first + slot, 1, slot))
        if runs:
            found.append(frame_of(runs, len(used)))
    return found


def written(found: list[Frame]) -> dict[Place, bytes]:
    """By part and offset, as the pieces are."""
    size = sum(frame.entry.raw for frame in found)
    pieces = _pieces(found, memoryview(bytes(range(size))))
    places: dict[Place, bytes] = {}
    for part, offset, piece in pieces:
        for at in range(0, len(piece), BLOCK):
            assert (part, offset + at) not in places
            places[part, offset + at] = bytes(piece[at : at + BLOCK])
    return places


@given(frames().filter(bool))
def test_each_block_goes_to_its_place_and_nothing_else_does(found: list[Frame]) -> None:
    wanted, start = {}, 0
    for frame in found:
        for run in frame.runs:
            at = start + run.frame_offset
            wanted[run.part, run.file_offset] = bytes(range(at, at + run.size))
        start += frame.entry.raw

    assert written(found) == wanted


def test_neighbours_in_the_file_that_are_apart_in_memory_are_not_one_write() -> None:
    alone = frame_of([run_of(0, 3, 1, 0)], 1)
    rest = frame_of([run_of(0, 4, 2, 2)], 4)  # its first two blocks are stale

    assert written([alone, rest]) == {
        (0, 12): bytes([0, 1, 2, 3]),
        (0, 16): bytes([12, 13, 14, 15]),
        (0, 20): bytes([16, 17, 18, 19]),
    }


def test_neighbours_in_both_are_one_write() -> None:
    found = [frame_of([run_of(0, number, 4, 0)], 4) for number in (0, 4, 8)]

    pieces = list(_pieces(found, memoryview(bytes(48))))

    assert [(part, offset, len(piece)) for part, offset, piece in pieces] == [(0, 0, 48)]
