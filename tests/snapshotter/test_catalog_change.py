"""Changes of the catalog in a store: one conditional write, and what a publisher makes of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from snapshotter import gate, marks
from snapshotter.catalog_change import Changed, change_catalog, whole
from snapshotter.errors import Fenced, Held, NoSuchSnapshot, PreconditionFailed
from snapshotter.format import CATALOG_LIMIT, Pointer
from snapshotter.store import ObjectInfo
from snapshotter.swap import new_attempt_id, swap_pointer
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import FaultyStore, lose_answer_of
from tests.snapshotter.images import BLOCK
from tests.snapshotter.test_publish import MAIN, POINTER, edited


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket.at(tmp_path / "bucket")


def say(bucket: Bucket, change: Callable[[Pointer], Pointer]) -> Changed:
    return change_catalog(bucket.store, DATASET, change)


def three(bucket: Bucket) -> tuple[str, str, str]:
    """Oldest first."""
    publisher = bucket.publisher()
    first, second, third = (
        bucket.publish(publisher, edited(MAIN, version), version).snapshot_id
        for version in (1, 2, 3)
    )
    return first, second, third


# ---------------------------------------------------------------- the write


def test_what_is_no_change_is_not_written(bucket: Bucket) -> None:
    three(bucket)
    before = bucket.file(POINTER).read_bytes()

    assert not say(bucket, marks.release).is_change
    assert bucket.file(POINTER).read_bytes() == before


def test_a_lost_answer_is_found_out(bucket: Bucket) -> None:
    first, *_ = three(bucket)
    store = FaultyStore(bucket.store, after=lose_answer_of("put_if_match", POINTER))

    changed = change_catalog(store, DATASET, lambda pointer: marks.pin(pointer, first, "keep"))

    assert changed.is_change
    assert store.calls.count(("put_if_match", POINTER)) == 1
    assert bucket.pointer().entry(first) == changed.after.entry(first)


def test_a_publish_in_between_loses_nothing(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, MAIN).snapshot_id
    left = [1]

    def publish(_: int, name: str, key: str) -> None:
        if (name, key) == ("put_if_match", POINTER) and left:
            left.pop()
            bucket.publish(publisher, MAIN, 2)

    change_catalog(
        FaultyStore(bucket.store, before=publish), DATASET, partial(marks.pin, snapshot_id=first)
    )

    assert [entry.version for entry in bucket.pointer().catalog] == [2, 1]
    assert bucket.pointer().catalog[1].pinned == marks.NO_REASON


def test_nothing_is_listed_for_a_change_or_a_publish(bucket: Bucket) -> None:
    class Unlisted(FaultyStore):
        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            raise AssertionError(f"{prefix} was listed")

    store = Unlisted(bucket.store)
    publisher = bucket.publisher(store=store)
    first = bucket.publish(publisher, MAIN).snapshot_id
    bucket.publish(publisher, MAIN, 2)
    change_catalog(store, DATASET, lambda pointer: marks.roll_back(pointer, first, holds=False))
    bucket.publish(publisher, MAIN, 3)

    assert bucket.pointer().current != first


# ---------------------------------------------------------------- older pages


def many(bucket: Bucket, count: int) -> list[str]:
    """So many snapshots in the catalog that it has pages, newest first."""
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    entry = bucket.pointer().catalog[0]
    tail = entry.snapshot_id[len("000001-000000000001") :]
    entries = tuple(
        replace(entry, version=version, snapshot_id=f"000001-{version:012d}{tail}")
        for version in range(count, 0, -1)
    )

    def fill(pointer: Pointer) -> Pointer:
        return replace(pointer, catalog=entries, older=None, current=entries[0].snapshot_id)

    say(bucket, fill)
    return [each.snapshot_id for each in entries]


def test_a_long_catalog_lies_in_pages_and_keeps_its_order(bucket: Bucket) -> None:
    ids = many(bucket, 3 * CATALOG_LIMIT)
    pointer = bucket.pointer()

    assert len(pointer.catalog) == CATALOG_LIMIT // 2
    assert [entry.snapshot_id for entry in whole(bucket.store, pointer).catalog] == ids


def test_what_lies_in_an_older_page_can_be_pinned(bucket: Bucket) -> None:
    ids = many(bucket, 3 * CATALOG_LIMIT)
    say(bucket, lambda pointer: marks.pin(pointer, ids[-1], "the first"))

    entries = whole(bucket.store, bucket.pointer()).catalog
    assert [entry.snapshot_id for entry in entries if entry.pinned] == [ids[-1]]
    assert [entry.snapshot_id for entry in entries] == ids


def test_a_change_of_what_is_new_writes_no_page(bucket: Bucket) -> None:
    ids = many(bucket, CATALOG_LIMIT + 10)
    before = bucket.objects()
    say(bucket, lambda pointer: marks.pin(pointer, ids[0]))

    assert bucket.objects() == before
    with pytest.raises(NoSuchSnapshot):
        say(bucket, lambda pointer: marks.pin(pointer, ids[0].replace("000001-", "000009-")))


def test_a_current_snapshot_far_back_stays_in_the_pointer(bucket: Bucket) -> None:
    ids = many(bucket, CATALOG_LIMIT + 100)
    say(bucket, lambda pointer: marks.roll_back(pointer, ids[CATALOG_LIMIT - 1]))

    assert bucket.pointer().current == ids[CATALOG_LIMIT - 1]
    entries = whole(bucket.store, bucket.pointer()).catalog
    assert sum(entry.quarantined is not None for entry in entries) == CATALOG_LIMIT - 1


# ---------------------------------------------------------------- who publishes


def test_while_it_is_held_nothing_is_published_and_afterwards_it_goes_on(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    say(bucket, lambda pointer: marks.hold(pointer, "look first"))
    before = bucket.objects()

    with pytest.raises(Held, match="look first"):
        bucket.publish(publisher, edited(MAIN, 1), 2)
    assert bucket.objects() == before
    say(bucket, marks.release)
    assert bucket.publish(publisher, edited(MAIN, 1), 2).blocks_new == 1


def test_a_publish_under_way_is_stopped_by_a_hold(bucket: Bucket) -> None:
    def hold(_: int, name: str, key: str) -> None:
        if key.endswith("/manifest") and name == "put_if_absent":
            say(bucket, lambda pointer: marks.hold(pointer, "look first"))

    publisher = bucket.publisher(store=FaultyStore(bucket.store, after=hold))

    with pytest.raises(Held, match="look first"):
        bucket.publish(publisher, MAIN)
    assert bucket.pointer().current is None


def test_after_going_back_the_same_publisher_goes_on_in_a_new_generation(
    bucket: Bucket, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, MAIN, 1).snapshot_id
    bad = bucket.publish(publisher, edited(MAIN, 1, 2), 2).snapshot_id
    say(bucket, lambda pointer: marks.roll_back(pointer, first, "wrong"))
    with pytest.raises(Held):
        bucket.publish(publisher, edited(MAIN, 1, 2, 3), 3)
    assert bucket.pointer().generation == 2  # a restart would find its file left behind
    say(bucket, marks.release)
    report = bucket.publish(publisher, edited(MAIN, 1, 2, 3), 3)

    pointer = bucket.pointer()
    assert [entry.snapshot_id for entry in pointer.catalog] == [report.snapshot_id, bad, first]
    assert report.snapshot_id.startswith("000003-000000000003-")
    assert [fork.forked_at_version for fork in pointer.forks] == [0, 1, 1]
    assert report.blocks_new == 3  # shared with the one that was gone back to, not with the bad one
    assert not set(bucket.header().packs) & {
        key for key in bucket.header(bad).packs if key not in bucket.header(first).packs
    }
    assert bucket.restore(tmp_path / "out") == edited(MAIN, 1, 2, 3)
    assert gate.has_only_rollbacks_since(pointer, 1) is False


def test_a_publish_under_way_loses_to_a_rollback_even_to_its_own_base(bucket: Bucket) -> None:
    first, second, third = three(bucket)
    publisher = bucket.publisher()

    def there_and_back(_: int, name: str, key: str) -> None:
        if key.endswith("/manifest") and name == "put_if_absent":
            say(bucket, lambda pointer: marks.roll_back(pointer, first, holds=False))
            say(bucket, lambda pointer: marks.lift(pointer, third))
            say(bucket, lambda pointer: marks.roll_back(pointer, third, holds=False))

    publisher._store = FaultyStore(bucket.store, after=there_and_back)
    with pytest.raises(PreconditionFailed, match="changed during the publish"):
        bucket.publish(publisher, MAIN, 4)
    assert bucket.pointer().current == third
    assert bucket.pointer().entry(second) is not None


def test_a_rollback_is_no_excuse_for_who_was_fenced_before(bucket: Bucket) -> None:
    fenced = bucket.publisher("a")
    first = bucket.publish(fenced, MAIN).snapshot_id
    other = bucket.publisher("b")
    bucket.publish(other, MAIN, 2)
    say(bucket, lambda pointer: marks.roll_back(pointer, first, holds=False))

    with pytest.raises(Fenced):
        bucket.publish(fenced, MAIN, 3)
    assert bucket.publish(other, MAIN, 3).snapshot_id.startswith("000004-")


def test_a_heartbeat_goes_on_after_a_rollback(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, MAIN).snapshot_id
    bucket.publish(publisher, MAIN, 2)
    say(bucket, lambda pointer: marks.roll_back(pointer, first))
    publisher.announce_progress(0.5)

    assert bucket.pointer().bootstrap_progress == 0.5
    assert bucket.pointer().generation == 2


def test_an_object_that_was_swept_during_a_publish_is_missed(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    own: list[str] = []

    def sweep(_: int, name: str, key: str) -> None:
        if name == "put_if_absent" and "/packs/" in key:
            own.append(key)
        if key.endswith("/manifest") and name == "put_if_absent":
            bucket.store.delete(own[0])
            swap_pointer(
                bucket.store,
                DATASET,
                lambda pointer: pointer,
                attempt_id=new_attempt_id(),
                algorithm="blake3",
            )

    publisher._store = FaultyStore(bucket.store, after=sweep)
    with pytest.raises(PreconditionFailed, match="was deleted during the publish"):
        bucket.publish(publisher, edited(MAIN, *range(len(MAIN) // BLOCK)), 2)
    assert bucket.pointer().current is not None
