"""Consolidation: which packs are emptied, for how many bytes, and what becomes of the store."""

import random
from pathlib import Path

import pytest

from snapshotter import consolidation
from snapshotter.base import read_known
from snapshotter.blockmap import KnownMap
from snapshotter.consolidation import choose
from tests.snapshotter.bench import Bucket
from tests.snapshotter.images import BytesPart

BLOCK = 512
BLOCKS = 256
TEN_PACKS = BLOCKS * BLOCK // 10


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket.at(tmp_path / "bucket")


class Table:
    """A file of random blocks, so that nothing is compressed."""

    def __init__(self) -> None:
        self.chance = random.Random(1)
        self.data = bytearray(self.chance.randbytes(BLOCKS * BLOCK))
        self.version = 0

    def part(self, *blocks: int) -> BytesPart:
        """The file after these blocks were changed."""
        for block in blocks:
            self.data[block * BLOCK : (block + 1) * BLOCK] = self.chance.randbytes(BLOCK)
        self.version += 1
        return BytesPart(bytes(self.data), block_size=BLOCK)


def known(bucket: Bucket) -> KnownMap:
    return read_known(bucket.store, bucket.header())


def pack_bytes(bucket: Bucket) -> int:
    return sum(bucket.header().pack_bytes)


def test_a_pack_that_is_three_quarters_dead_is_emptied_with_the_next_snapshot(
    bucket: Bucket, tmp_path: Path
) -> None:
    table, publisher = Table(), bucket.publisher()
    bucket.publish(publisher, table.part())
    first = bucket.header().packs
    bucket.publish(publisher, table.part(*range(BLOCKS // 4 * 3)), 2)
    assert set(first) < set(bucket.header().packs)

    report = bucket.publish(publisher, table.part(), 3)

    assert report.packs_emptied == 1
    assert report.blocks_new == BLOCKS // 4
    assert not set(first) & set(bucket.header().packs)
    assert bucket.restore(tmp_path / "out") == bytes(table.data)


def test_a_pack_with_more_alive_is_left(bucket: Bucket) -> None:
    table, publisher = Table(), bucket.publisher()
    bucket.publish(publisher, table.part())
    bucket.publish(publisher, table.part(*range(BLOCKS // 4 * 3 - 4)), 2)

    assert choose(known(bucket)) == frozenset()
    assert bucket.publish(publisher, table.part(), 3).blocks_new == 0


def test_a_publisher_that_reads_the_map_from_the_store_chooses_the_same(bucket: Bucket) -> None:
    table, publisher = Table(), bucket.publisher()
    bucket.publish(publisher, table.part())
    bucket.publish(publisher, table.part(*range(BLOCKS // 4 * 3)), 2)

    assert bucket.publish(bucket.publisher("b"), table.part(), 3).packs_emptied == 1


def test_what_is_stored_again_with_one_snapshot_is_bounded(bucket: Bucket) -> None:
    table, publisher = Table(), bucket.publisher(pack_bytes=TEN_PACKS)
    bucket.publish(publisher, table.part())
    bucket.publish(publisher, table.part(*(b for b in range(BLOCKS) if b % 5)), 2)
    live = consolidation.live_bytes(known(bucket))

    chosen = choose(known(bucket), most_bytes=20 * BLOCK)

    assert 0 < sum(live[place] for place in chosen) <= 20 * BLOCK
    assert len(choose(known(bucket))) > len(chosen)


def test_of_very_many_packs_the_smallest_are_merged(bucket: Bucket, tmp_path: Path) -> None:
    table, publisher = Table(), bucket.publisher()
    bucket.publish(publisher, table.part())
    for version in range(2, 12):
        bucket.publish(publisher, table.part(version, version + 20), version)
    many = known(bucket)
    assert len(many.packs) == 11

    assert choose(many, many_packs=11) == frozenset()
    chosen = choose(many, many_packs=10, most_bytes=8 * BLOCK)

    live = consolidation.live_bytes(many)
    assert len(chosen) == 4
    assert sum(live[place] for place in chosen) == 8 * BLOCK


def test_a_pack_is_not_merged_with_itself(bucket: Bucket) -> None:
    table, publisher = Table(), bucket.publisher()
    bucket.publish(publisher, table.part())
    bucket.publish(publisher, table.part(1), 2)

    assert choose(known(bucket), many_packs=1, most_bytes=3 * BLOCK) == frozenset()


@pytest.mark.parametrize("is_clustered", [False, True])
def test_under_steady_churn_the_store_stays_small_for_a_third_more_bytes(
    bucket: Bucket, tmp_path: Path, *, is_clustered: bool
) -> None:
    table, publisher = Table(), bucket.publisher()
    bucket.publish(publisher, table.part())
    changed = uploaded = emptied = 0
    for version in range(2, 150):
        first = table.chance.randrange(BLOCKS - 12)
        some = table.chance.sample(range(BLOCKS), 12)
        blocks = range(first, first + 12) if is_clustered else some
        report = bucket.publish(publisher, table.part(*blocks), version)
        changed += 12 * BLOCK
        uploaded += report.blocks_new * BLOCK
        emptied += report.packs_emptied

        assert pack_bytes(bucket) < 4 * BLOCKS * BLOCK + 16 * BLOCK

    assert emptied > 20
    assert uploaded <= changed * 4 / 3
    assert bucket.restore(tmp_path / "out") == bytes(table.data)


def test_a_block_that_is_no_longer_used_is_not_stored_again(bucket: Bucket, tmp_path: Path) -> None:
    table, publisher = Table(), bucket.publisher()
    part = table.part()
    bucket.publish(publisher, part)
    part.used = frozenset(range(8))
    bucket.publish(publisher, part, 2)
    part.used = frozenset(range(4))
    bucket.publish(publisher, part, 3)

    assert bucket.restore(tmp_path / "out") == part.data[: 4 * BLOCK] + bytes(252 * BLOCK)
