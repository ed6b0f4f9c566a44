"""What lies between two snapshots: blocks by content, checkpoints, columns, and no data read."""

import itertools
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from cdc.columns import Column, Columns
from cdc.keys import KeyAttribute, KeySchema
from cdc.position import After
from snapshotter.difference import Blocks, Difference, difference
from snapshotter.gatekeeper import Circumstances
from snapshotter.publish import Publisher
from tests.properties.test_snapshot_laws import histories, new_bucket
from tests.snapshotter.bench import Bucket
from tests.snapshotter.faults import FaultyStore
from tests.snapshotter.images import BLOCK, COLUMNS, BytesPart, image, lineage
from tests.snapshotter.test_publish import MAIN, edited


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket.at(tmp_path / "bucket")


def between(bucket: Bucket, old: str, new: str) -> Difference:
    """The difference, with the proof that no pack was read."""
    store, pointer = FaultyStore(bucket.store), bucket.pointer()
    entries = pointer.entry(old), pointer.entry(new)
    assert entries[0] is not None
    assert entries[1] is not None
    found = difference(store, entries[0], entries[1])
    assert [key for _, key in store.calls if "/packs/" in key] == []
    return found


def blocks(bucket: Bucket, old: BytesPart, new: BytesPart) -> Blocks:
    publisher = bucket.publisher()
    ids = [bucket.publish(publisher, part, at).snapshot_id for at, part in enumerate((old, new), 1)]
    return between(bucket, *ids).blocks


def test_changed_added_and_removed_blocks_are_counted(bucket: Bucket) -> None:
    old = BytesPart(MAIN, used=frozenset(range(39)))
    grown = BytesPart(edited(MAIN, 3, 30) + bytes(range(256)) * 32, used=frozenset(range(2, 42)))

    found = blocks(bucket, old, grown)

    assert asdict(found) | {"fetch_bytes": 0} == {
        "changed": 2,
        "added": 3,
        "removed": 2,
        "unchanged": 35,
        "fetch_bytes": 0,
    }
    assert 3 * BLOCK < found.fetch_bytes <= 5 * BLOCK


def test_only_segments_that_differ_are_read(bucket: Bucket) -> None:
    part = BytesPart(random.Random(3).randbytes(1000 * 512), block_size=512)
    publisher = bucket.publisher()
    first = bucket.publish(publisher, part).snapshot_id
    part = replace(part, data=b"?" + part.data[1:])
    second = bucket.publish(publisher, part, 2).snapshot_id

    found = between(bucket, first, second)

    assert found.blocks.changed == 1
    assert found.map_bytes == 2 * (64 * 56 + 32)


def test_nothing_lies_between_a_snapshot_and_a_full_one_of_the_same(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, MAIN).snapshot_id
    full = bucket.publish(publisher, MAIN, full=True).snapshot_id

    assert between(bucket, first, full).blocks == Blocks(unchanged=len(MAIN) // BLOCK)


def test_parts_of_another_block_size_have_nothing_in_common(bucket: Bucket) -> None:
    found = blocks(bucket, BytesPart(MAIN), BytesPart(MAIN, block_size=2 * BLOCK))

    assert (found.removed, found.added, found.unchanged) == (40, 20, 0)


def test_a_log_that_came_is_added(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, MAIN).snapshot_id
    second = bucket.publish(publisher, MAIN, 2, tail=b"log" * 4000).snapshot_id

    assert between(bucket, first, second).blocks.added == 3
    assert between(bucket, second, first).blocks.removed == 3


def test_checkpoints_rows_and_schema_are_compared(bucket: Bucket) -> None:
    publisher: Publisher = bucket.publisher()
    one = replace(bucket.checkpoint(7), watermark=1000.0)
    first = publisher.publish(image(MAIN, one, row_count=3), reason="test").snapshot_id
    (shard,) = one.shards.values()
    moved = replace(shard, position=After("9" * 21))
    two = replace(one, version=9, watermark=1060.0, shards={shard.shard_id: moved})
    wider = Columns((Column("id", "text"), Column("price", "decimal", 4), Column("x", "json")))
    keys = KeySchema(KeyAttribute("id", "N"))
    frozen = replace(image(MAIN, two, row_count=10), columns=wider, keys=keys)
    forced = Circumstances(force="another table on purpose")
    second = publisher.publish(frozen, reason="test", given=forced).snapshot_id

    found = between(bucket, first, second)
    back = between(bucket, second, first)

    assert (found.versions, found.seconds, found.shards_moved, found.rows) == (2, 60.0, 1, 7)
    assert found.columns_added == ("x",)
    assert found.columns_retyped == (("price", "decimal(2)", "decimal(4)"),)
    assert found.keys_changed
    assert found.same_lineage
    assert (back.versions, back.seconds, back.rows, back.columns_removed) == (-2, -60, -7, ("x",))
    assert len(COLUMNS) == 2


def test_another_bootstrap_and_an_unknown_watermark_are_told(bucket: Bucket) -> None:
    first = bucket.publish(bucket.publisher(), MAIN).snapshot_id
    newer = lineage("20260901T000000Z-bbbb")
    at = replace(bucket.checkpoint(1), lineage=newer, watermark=None)
    second = bucket.publisher().publish(image(MAIN, at), reason="test").snapshot_id

    found = between(bucket, first, second)

    assert not found.same_lineage
    assert not found.same_generation
    assert found.seconds is None


@settings(max_examples=20)
@given(histories())
def test_blocks_are_counted_as_the_files_have_them(history: list[BytesPart]) -> None:
    with new_bucket() as bucket:
        publisher = bucket.publisher()
        ids = [
            bucket.publish(publisher, part, version).snapshot_id
            for version, part in enumerate(history, 1)
        ]
        found = between(bucket, ids[0], ids[-1]).blocks
        old, new = (_contents(part) for part in (history[0], history[-1]))

    assert found.changed == sum(old[n] != new[n] for n in old.keys() & new.keys())
    assert found.added == len(new.keys() - old.keys())
    assert found.removed == len(old.keys() - new.keys())


def _contents(part: BytesPart) -> dict[int, bytes]:
    """Used blocks by number."""
    cuts = [0, *range(part.preamble, part.length, part.block_size), part.length]
    spans = sorted({cut for cut in cuts if cut <= part.length})
    found = {
        number: part.data[start:end]
        for number, (start, end) in enumerate(itertools.pairwise(spans))
    }
    used = part.used
    return {
        number: data
        for number, data in found.items()
        if used is None or number in used or (number == 0 and part.preamble)
    }
