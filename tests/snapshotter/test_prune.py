"""Deleting in two steps: nothing that is needed, in the end all that is not."""

import random
from collections.abc import Callable

import pytest

from snapshotter import catalog_change, marks
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import Corrupt, Held, PreconditionFailed, StoreAccessDenied
from snapshotter.format import Pointer
from snapshotter.verify import verify
from tests.snapshotter.bench import DATASET
from tests.snapshotter.faults import Crash, lose_answer_of
from tests.snapshotter.images import BytesPart
from tests.snapshotter.timed import TimedBucket

POINTER = f"{DATASET}/head.json"
MAIN = random.Random(9).randbytes(40 * 512)


@pytest.fixture
def bucket() -> TimedBucket:
    return TimedBucket()


def part(*blocks: int) -> BytesPart:
    data = bytearray(MAIN)
    for block in blocks:
        data[block * 512] ^= 0xFF
    return BytesPart(bytes(data), block_size=512)


def hourly(bucket: TimedBucket, count: int) -> list[str]:
    """So many snapshots, an hour apart, each with other blocks; newest first."""
    publisher = bucket.publisher()
    for version in range(1, count + 1):
        bucket.publish(publisher, part(version, version + 1), version)
        bucket.pass_hours(1)
    return bucket.ids()


def say(bucket: TimedBucket, change: Callable[[Pointer], Pointer]) -> None:
    change_catalog(bucket.store, DATASET, change)


def is_whole(bucket: TimedBucket) -> bool:
    return all(verify(bucket.store, DATASET, each, "full").ok for each in bucket.ids())


# ---------------------------------------------------------------- two steps


def test_what_goes_is_condemned_first_and_deleted_after_the_grace(bucket: TimedBucket) -> None:
    ids = hourly(bucket, 6)
    before = bucket.objects()
    bucket.prune(keep_last=3)

    assert bucket.ids() == ids[:3]
    assert bucket.objects() == before
    condemned = {each.key for each in bucket.pointer().condemned}
    assert condemned == before - bucket.needed()
    assert {each.since for each in bucket.pointer().condemned} == {bucket.timed.clock}
    bucket.pass_hours(23.9)
    bucket.prune(keep_last=3)
    assert bucket.objects() == before
    bucket.pass_hours(0.1)
    bucket.prune(keep_last=3)
    assert bucket.objects() == bucket.needed() == before - condemned
    assert bucket.pointer().condemned == ()
    assert is_whole(bucket)


def test_a_look_changes_nothing_and_tells_all(bucket: TimedBucket) -> None:
    ids = hourly(bucket, 6)
    before = bucket.store.get(POINTER, max_bytes=1 << 22).data
    look = bucket.pruner(keep_last=3).look()

    assert [entry.snapshot_id for entry in look.plan.going] == ids[3:]
    assert look.bytes_of(look.plan.dead) == sum(info.size for info in look.plan.dead) > 0
    assert bucket.store.get(POINTER, max_bytes=1 << 22).data == before


def test_what_changes_nothing_writes_nothing(bucket: TimedBucket) -> None:
    hourly(bucket, 3)
    bucket.prune(keep_last=2)
    before = bucket.timed.calls.count(("put_if_match", POINTER))
    bucket.prune(keep_last=2)

    assert bucket.timed.calls.count(("put_if_match", POINTER)) == before


def test_the_map_of_a_snapshot_that_went_is_kept_where_others_share_it(bucket: TimedBucket) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, part(1)).snapshot_id
    for version in (2, 3):
        bucket.publish(publisher, part(1), version)
        bucket.pass_hours(1)
    for _ in range(3):
        bucket.prune(keep_last=1)
        bucket.pass_hours(25)

    assert first not in bucket.ids()
    assert f"{DATASET}/snapshots/{first}/manifest" in bucket.objects()
    assert is_whole(bucket)


def test_nothing_is_pruned_while_it_is_held(bucket: TimedBucket) -> None:
    hourly(bucket, 6)
    bucket.prune(keep_last=5)
    bucket.pass_hours(25)
    say(bucket, lambda pointer: marks.hold(pointer, "look first"))
    before = bucket.objects()

    with pytest.raises(Held, match="look first"):
        bucket.prune(keep_last=2)
    with pytest.raises(Held, match="look first"):
        bucket.pruner().sweep()
    assert bucket.pruner(keep_last=2).look().whole.hold == "look first"
    assert bucket.objects() == before


# ---------------------------------------------------------------- two roles


def test_a_janitor_that_may_only_read_and_delete_sweeps(bucket: TimedBucket) -> None:
    hourly(bucket, 6)
    bucket.pruner(keep_last=2).record(sweeps=False)
    bucket.pass_hours(25)
    denied: list[str] = []

    def deny(_: int, name: str, key: str) -> None:
        if name.startswith("put") or name == "list":
            denied.append(name)
            raise StoreAccessDenied(f"{name} {key}")

    bucket.timed._before = deny
    swept = bucket.pruner().sweep()
    bucket.timed._before = lambda *_: None

    assert denied == []
    assert {each.key for each in swept} == {each.key for each in bucket.pointer().condemned}
    assert bucket.objects() == bucket.needed()


def test_a_writer_that_may_not_delete_condemns_and_forgets(bucket: TimedBucket) -> None:
    hourly(bucket, 6)
    writer = bucket.pruner(keep_last=2)
    writer.record(sweeps=False)
    condemned = bucket.pointer().condemned
    bucket.pass_hours(25)
    writer.record(sweeps=False)

    assert bucket.pointer().condemned == condemned
    assert ("delete", condemned[0].key) not in bucket.timed.calls
    bucket.pruner().sweep()
    writer.record(sweeps=False)
    assert bucket.pointer().condemned == ()


# ---------------------------------------------------------------- what is left behind


def test_what_a_crashed_publish_left_goes_once_it_cannot_be_under_way(bucket: TimedBucket) -> None:
    hourly(bucket, 2)
    publisher = bucket.publisher()

    def crash(_: int, name: str, key: str) -> None:
        if name == "put_if_match":
            raise Crash

    bucket.timed._before = crash
    with pytest.raises(Crash):
        bucket.publish(publisher, part(7, 8), 7)
    bucket.timed._before = lambda *_: None
    left = bucket.objects() - bucket.needed()
    bucket.prune()
    assert len(left) == 2
    assert bucket.pointer().condemned == ()
    bucket.pass_hours(24)
    bucket.prune()
    assert {each.key for each in bucket.pointer().condemned} == left
    bucket.pass_hours(24)
    bucket.prune()
    assert bucket.objects() == bucket.needed()


def test_what_a_fenced_publisher_left_is_condemned_at_once(bucket: TimedBucket) -> None:
    publisher = bucket.publisher()

    def crash(_: int, name: str, key: str) -> None:
        if name == "put_if_match":
            raise Crash

    bucket.timed._before = crash
    with pytest.raises(Crash):
        bucket.publish(publisher, part(7, 8), 7)
    bucket.timed._before = lambda *_: None
    bucket.publisher("b")
    bucket.prune()

    assert {each.key for each in bucket.pointer().condemned} == bucket.objects() - bucket.needed()


def test_objects_of_others_are_never_touched(bucket: TimedBucket) -> None:
    hourly(bucket, 2)
    strangers = {f"{DATASET}/lease.json", f"{DATASET}/packs/notes.txt", "routes/packs/0/x.pack"}
    for key in strangers:
        bucket.store.put(key, b"mine")
    bucket.pass_hours(48)
    for _ in range(3):
        bucket.prune()
        bucket.pass_hours(25)

    assert {info.key for info in bucket.timed._inner.list("")} >= strangers


# ---------------------------------------------------------------- meanwhile


def test_a_publish_during_a_look_is_looked_at_too(bucket: TimedBucket) -> None:
    hourly(bucket, 4)
    publisher, left = bucket.publisher(), [1]

    def publish(_: int, name: str, key: str) -> None:
        if (name, key) == ("put_if_match", POINTER) and left:
            left.pop()
            bucket.publish(publisher, part(30), 30)

    bucket.timed._before = publish
    bucket.prune(keep_last=2)

    assert [entry.version for entry in bucket.pointer().catalog] == [30, 4]
    assert bucket.needed() <= bucket.objects()
    assert not bucket.needed() & {each.key for each in bucket.pointer().condemned}


def test_a_pointer_that_never_rests_ends_the_prune(bucket: TimedBucket) -> None:
    ids = hourly(bucket, 4)

    def pin(_: int, name: str, key: str) -> None:
        if (name, key) == ("put_if_match", POINTER):
            bucket.timed._before = lambda *_: None
            is_pinned = bucket.pointer().catalog[0].pinned is not None
            change = marks.unpin if is_pinned else marks.pin
            say(bucket, lambda pointer: change(pointer, ids[0]))
            bucket.timed._before = pin

    bucket.timed._before = pin
    with pytest.raises(PreconditionFailed, match="pointer moved during the prune"):
        bucket.prune(keep_last=2)
    assert bucket.ids() == ids


def test_a_lost_answer_is_found_out(bucket: TimedBucket) -> None:
    ids = hourly(bucket, 4)
    bucket.timed._after = lose_answer_of("put_if_match", POINTER)
    bucket.prune(keep_last=2)

    assert bucket.ids() == ids[:2]


def test_a_publish_loses_to_a_rollback_and_a_prune_and_goes_on_from_there(
    bucket: TimedBucket,
) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, part(1)).snapshot_id
    second = bucket.publish(publisher, part(1, 2), 2).snapshot_id
    bucket.pass_hours(1)

    def prune(_: int, name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith("/manifest"):
            bucket.timed._after = lambda *_: None
            say(bucket, lambda pointer: marks.roll_back(pointer, first, holds=False))
            bucket.prune(keep_for=0)

    bucket.timed._after = prune
    with pytest.raises(PreconditionFailed):
        bucket.publish(publisher, part(1, 2, 3), 3)
    assert second not in bucket.ids()
    bucket.publish(publisher, part(1, 2, 3), 3)
    assert is_whole(bucket)


def test_a_publish_whose_packs_are_condemned_meanwhile_loses(bucket: TimedBucket) -> None:
    hourly(bucket, 2)
    publisher = bucket.publisher()

    def long(_: int, name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith("/manifest"):
            bucket.timed._after = lambda *_: None
            bucket.pass_hours(25)
            bucket.prune()

    bucket.timed._after = long
    with pytest.raises(PreconditionFailed, match="was condemned meanwhile"):
        bucket.publish(publisher, part(5), 5)
    assert bucket.publish(publisher, part(5), 5).blocks_new == 3
    assert is_whole(bucket)


def test_a_publish_longer_than_two_graces_misses_its_swept_packs(bucket: TimedBucket) -> None:
    hourly(bucket, 2)
    publisher = bucket.publisher()

    def long(_: int, name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith("/manifest"):
            bucket.timed._after = lambda *_: None
            for _ in range(3):
                bucket.pass_hours(25)
                bucket.prune()

    bucket.timed._after = long
    with pytest.raises(PreconditionFailed, match="was deleted during the publish"):
        bucket.publish(publisher, part(5), 5)
    assert is_whole(bucket)


# ---------------------------------------------------------------- what cannot be read


def test_a_damaged_snapshot_that_stays_stops_the_prune_until_it_is_quarantined(
    bucket: TimedBucket,
) -> None:
    ids = hourly(bucket, 4)
    bucket.store.put(f"{DATASET}/snapshots/{ids[1]}/manifest", b"?" * 4000)
    before = bucket.objects()

    with pytest.raises(Corrupt, match="nobody knows what it needs") as refused:
        bucket.prune(keep_last=3)
    assert f"quarantine {ids[1]}" in refused.value.hint
    assert bucket.objects() == before
    assert bucket.pointer().condemned == ()
    say(bucket, lambda pointer: marks.quarantine(pointer, ids[1], "damaged"))
    bucket.prune(keep_last=1)
    assert ids[3] not in bucket.ids()


# ---------------------------------------------------------------- older pages


def test_pages_are_written_anew_and_the_old_ones_go(
    bucket: TimedBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_change, "CATALOG_LIMIT", 4)
    ids = hourly(bucket, 9)
    say(bucket, lambda pointer: marks.pin(pointer, ids[-1]))
    before = bucket.pointer().older
    assert before is not None
    bucket.prune(keep_last=7)

    assert bucket.ids() == [*ids[:7], ids[-1]]
    assert len(bucket.pointer().catalog) == 2
    for _ in range(2):
        bucket.pass_hours(25)
        bucket.prune(keep_last=7)
    assert before not in bucket.objects()
    assert bucket.objects() == bucket.needed()
    assert is_whole(bucket)


def test_the_grace_begins_with_the_write_and_not_with_the_look(bucket: TimedBucket) -> None:
    hourly(bucket, 4)

    def slow(_: int, name: str, key: str) -> None:
        if name == "list" and key.endswith("/snapshots/"):
            bucket.pass_hours(2)

    bucket.timed._before = slow
    look = bucket.pruner(keep_last=2).record(sweeps=True)

    assert look.plan.dead
    assert {each.since for each in bucket.pointer().condemned} == {bucket.timed.clock}
