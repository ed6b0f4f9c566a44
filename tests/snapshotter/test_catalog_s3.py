"""Marks and prunes on a real S3 server: conditional writes, listings, deletes over the network."""

import random
from functools import partial
from pathlib import Path

import pytest

from snapshotter import marks
from snapshotter.assemble import objects_of
from snapshotter.catalog_change import change_catalog
from snapshotter.difference import difference
from snapshotter.errors import StoreAccessDenied
from snapshotter.prune import Pruner
from snapshotter.reader import read_header
from snapshotter.retention import Retention
from snapshotter.store import ObjectStore
from snapshotter.verify import verify
from tests.restorer.stores import bucket_store
from tests.servers.seaweedfs import SeaweedFS
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import FaultyStore, lose_answer_of
from tests.snapshotter.images import BLOCK

MAIN = random.Random(7).randbytes(60 * BLOCK)


@pytest.fixture
def name(seaweedfs: SeaweedFS) -> str:
    return seaweedfs.bucket("catalog")


@pytest.fixture
def bucket(seaweedfs: SeaweedFS, name: str, tmp_path: Path) -> Bucket:
    return Bucket(tmp_path, bucket_store(seaweedfs, name))


def edited(*blocks: int) -> bytes:
    changed = bytearray(MAIN)
    for block in blocks:
        changed[block * BLOCK] ^= 0xFF
    return bytes(changed)


def pruner(store: ObjectStore) -> Pruner:
    """Without a grace; the service tells its time in whole seconds, and each client its own."""
    return Pruner(store, DATASET, Retention(keep_last=2), grace=-60.0)


def test_going_back_publishing_on_and_pruning_leave_what_is_needed(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    ids = [
        bucket.publish(publisher, edited(version), version).snapshot_id for version in range(1, 5)
    ]
    lost = FaultyStore(bucket.store, after=lose_answer_of("put_if_match", f"{DATASET}/head.json"))
    back = partial(marks.roll_back, snapshot_id=ids[1], reason="wrong prices", holds=False)
    assert change_catalog(lost, DATASET, back).after.current == ids[1]
    ids.append(bucket.publish(publisher, edited(9), 5).snapshot_id)
    for _ in range(2):
        pruner(bucket.store).record(sweeps=True)

    left = bucket.pointer()
    assert [entry.snapshot_id for entry in left.catalog] == [ids[4], ids[3], ids[2], ids[1]]
    assert left.generation == 3
    assert left.condemned == ()
    needed = (objects_of(read_header(bucket.store, entry)) for entry in left.catalog)
    known = {f"{DATASET}/head.json", f"{DATASET}/bucket.json"}
    assert bucket.objects() == known.union(*needed)
    for entry in left.catalog:
        assert verify(bucket.store, DATASET, entry.snapshot_id, "full").ok
    assert difference(bucket.store, left.catalog[3], left.catalog[0]).blocks.changed == 2


def test_who_may_only_read_marks_and_prunes_nothing(
    bucket: Bucket, seaweedfs: SeaweedFS, name: str
) -> None:
    publisher = bucket.publisher()
    for version in range(1, 5):
        bucket.publish(publisher, edited(version), version)
    reader = bucket_store(seaweedfs, name, read_only=True)

    with pytest.raises(StoreAccessDenied, match=r"head\.json"):
        change_catalog(reader, DATASET, marks.hold)
    assert len(pruner(reader).look().plan.going) == 2
    with pytest.raises(StoreAccessDenied):
        pruner(reader).record(sweeps=True)
    pruner(bucket.store).record(sweeps=False)
    with pytest.raises(StoreAccessDenied):
        pruner(reader).sweep()
    assert len(pruner(bucket.store).sweep()) == len(bucket.pointer().condemned) > 0
