"""Publishing to a real S3 server: conditional writes decide over the network."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.errors import Fenced, ObjectMissing, StoreAccessDenied
from snapshotter.publish import Publisher
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from snapshotter.verify import verify
from tests.restorer.accelerators import Producer
from tests.restorer.stores import bucket_store, flip
from tests.servers.seaweedfs import SeaweedFS
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import FaultyStore, lose_answer_of
from tests.snapshotter.images import BLOCK

MAIN = random.Random(7).randbytes(200 * BLOCK)


@pytest.fixture
def name(seaweedfs: SeaweedFS) -> str:
    return seaweedfs.bucket("publish")


@pytest.fixture
def store(seaweedfs: SeaweedFS, name: str) -> ObjectStore:
    return bucket_store(seaweedfs, name)


@pytest.fixture
def bucket(store: ObjectStore, tmp_path: Path) -> Bucket:
    return Bucket(tmp_path, store)


def edited(*blocks: int) -> bytes:
    changed = bytearray(MAIN)
    for block in blocks:
        changed[block * BLOCK] ^= 0xFF
    return bytes(changed)


def test_full_and_incremental_snapshots_are_whole(bucket: Bucket) -> None:
    publisher = bucket.publisher(pack_bytes=50 * BLOCK)
    full = bucket.publish(publisher, MAIN, tail=b"log" * 100)
    incremental = bucket.publish(publisher, edited(3, 150), 2, tail=b"log" * 101)

    assert incremental.new_bytes < full.new_bytes / 20
    for snapshot in (full, incremental):
        assert verify(bucket.store, DATASET, snapshot.snapshot_id, "full").ok


def test_a_new_publisher_builds_on_what_another_left(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher("a"), MAIN)

    assert bucket.publish(bucket.publisher("b"), edited(9), 2).blocks_new == 1


def test_publishers_that_take_over_at_once_get_generations_of_their_own(bucket: Bucket) -> None:
    publishers = [Publisher(bucket.store, DATASET, holder=f"node-{n}") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        generations = list(pool.map(Publisher.take_over, publishers))
    newest = max(publishers, key=lambda publisher: publisher.generation or 0)

    assert sorted(generations) == [1, 2, 3, 4]
    for publisher in publishers:
        if publisher is not newest:
            with pytest.raises(Fenced):
                bucket.publish(publisher, MAIN)
    bucket.publish(newest, MAIN)


def test_a_take_over_during_a_publish_fences_it(bucket: Bucket) -> None:
    def take_over(_: int, name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith("/manifest"):
            bucket.publisher("b")

    old = bucket.publisher("a", store=FaultyStore(bucket.store, after=take_over))
    with pytest.raises(Fenced):
        bucket.publish(old, MAIN)
    assert bucket.pointer().current is None


def test_an_idle_table_is_renewed_for_a_few_bytes(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    before = read_header(bucket.store, bucket.pointer().catalog[0])
    at = before.checkpoint.next()
    # The service tells whole seconds, so its time as we know it may go back by one.
    shards = {name: replace(s, tip_at=(s.tip_at or 0) + 1.0) for name, s in at.shards.items()}
    from tests.snapshotter.images import image

    report = publisher.publish(image(MAIN, replace(at, shards=shards)), reason="renewal")

    assert report.renewal
    assert report.blocks_new == 0
    assert report.new_bytes < 4096
    assert bucket.pointer().catalog[0].resumable_until > before.resumable_until  # type: ignore[operator]


def test_a_lost_answer_of_the_pointer_is_a_success(bucket: Bucket) -> None:
    lost = lose_answer_of("put_if_match", f"{DATASET}/head.json")
    publisher = bucket.publisher()
    publisher._store = FaultyStore(bucket.store, after=lost)
    report = bucket.publish(publisher, MAIN)

    assert bucket.pointer().current == report.snapshot_id
    assert len(bucket.pointer().catalog) == 1


def test_who_may_only_read_reads_and_cannot_take_over(
    seaweedfs: SeaweedFS, name: str, bucket: Bucket
) -> None:
    bucket.publish(bucket.publisher(), MAIN)
    reader = bucket_store(seaweedfs, name, read_only=True)

    assert verify(reader, DATASET, level="full").ok
    with pytest.raises(StoreAccessDenied):
        Publisher(reader, DATASET, holder="reader").take_over()
    assert bucket.pointer().generation == 1


def test_damage_in_the_bucket_is_found_and_healed_by_a_full_snapshot(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    flip(bucket.store, bucket.header().packs[0], 5000)
    assert not verify(bucket.store, DATASET, level="full").ok

    bucket.publish(publisher, MAIN, 2, full=True)
    assert verify(bucket.store, DATASET, level="full").ok


def test_a_dataset_that_nobody_published_is_missing(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        read_pointer(store, "nobody")


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_database_file_is_published_while_it_changes(
    store: ObjectStore, tmp_path: Path, engine: str
) -> None:
    producer = Producer(store, tmp_path / "file", engine)  # type: ignore[arg-type]
    try:
        producer.put(0, 3000)
        producer.publish()
        for seed in range(3):
            producer.put(seed * 100, 100, seed=seed + 1)
            producer.publish()
            producer.accelerator.maintain(idle=True)
    finally:
        producer.close()

    pointer = read_pointer(store, "pipelines")
    assert [entry.version for entry in pointer.catalog] == [4, 3, 2, 1]
    for entry in pointer.catalog:
        assert verify(store, "pipelines", entry.snapshot_id, "full").ok
