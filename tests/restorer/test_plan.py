"""Plans of real maps: what is read, how often, and what is left out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from restorer.plan import Plan, RangedRead
from tests.restorer.published import Bench, bench, directory_store, mixed, noise
from tests.snapshotter.images import BLOCK, BytesPart

# Less than a window of the map has, so that nothing else ends a read.
READ_BYTES = 2 * 1024 * 1024


@pytest.fixture
def source(tmp_path: Path) -> Bench:
    return bench(directory_store(tmp_path / "bucket"))


def covered(plan: Plan) -> list[tuple[int, int]]:
    """Part and number of every block that the reads bring."""
    return sorted(
        (run.part, run.number + number)
        for read in plan.reads()
        for frame in read.frames
        for run in frame.runs
        for number in range(run.blocks)
    )


def test_every_used_block_is_read_once_and_no_hole(source: Bench) -> None:
    used = frozenset(range(0, 300, 3))
    plan = source.plan(source.publish(BytesPart(mixed(300, BLOCK), used=used)))

    assert covered(plan) == [(0, number) for number in sorted(used)]
    assert (plan.blocks, plan.holes) == (100, 200)
    assert plan.data_bytes == 100 * BLOCK


def test_consecutive_frames_share_a_read_up_to_its_limit(
    source: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restorer.plan.READ_BYTES", READ_BYTES)
    blocks = 3 * READ_BYTES // BLOCK
    plan = source.plan(source.publish(BytesPart(noise(blocks * BLOCK))))

    reads = list(plan.reads())

    assert len(reads) == 3
    assert all(read.length <= READ_BYTES for read in reads)
    assert sum(read.length for read in reads) == plan.download_bytes


def test_a_frame_of_several_blocks_is_read_once(source: Bench) -> None:
    plan = source.plan(source.publish(BytesPart(mixed(64, BLOCK))))

    frames = [frame for read in plan.reads() for frame in read.frames]

    assert len(frames) < 64
    assert sum(run.blocks for frame in frames for run in frame.runs) == 64
    assert len({(frame.entry.pack, frame.entry.offset) for frame in frames}) == len(frames)


def test_frames_lie_inside_their_read_in_pack_order(source: Bench) -> None:
    source.publish(BytesPart(noise(2000 * BLOCK)))
    changed = bytearray(noise(2000 * BLOCK))
    changed[500 * BLOCK : 900 * BLOCK] = noise(400 * BLOCK, seed=2)
    plan = source.plan(source.publish(BytesPart(bytes(changed)), tail=noise(10_000, seed=3)))

    def inside(read: RangedRead) -> bool:
        return all(
            read.offset <= frame.entry.offset
            and frame.entry.offset + frame.entry.stored <= read.offset + read.length
            for frame in read.frames
        )

    reads = list(plan.reads())
    assert all(inside(read) for read in reads)
    assert all(
        one.entry.offset < next_.entry.offset
        for read in reads
        for one, next_ in pairwise(read.frames)
    )
    assert len(covered(plan)) == plan.blocks


def test_the_space_needed_counts_the_log_twice(source: Bench) -> None:
    plain = source.plan(source.publish(BytesPart(noise(100 * BLOCK))))
    logged = source.plan(source.publish(BytesPart(noise(100 * BLOCK)), tail=noise(50_000)))

    assert logged.disk_needed_bytes - plain.disk_needed_bytes == 100_000


def test_an_empty_file_needs_no_read(source: Bench) -> None:
    plan = source.plan(source.publish(BytesPart(b"")))

    assert list(plan.reads()) == []
    assert (plan.blocks, plan.data_bytes) == (0, 0)
