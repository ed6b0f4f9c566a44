"""Publishing: what is written, in which order, who may, and what a crash leaves."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import snapshotter.catalog
import snapshotter.publish
from cdc.accelerator import FreezeBroken
from cdc.position import After, End
from snapshotter import blockmap, layout, marks
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import (
    Corrupt,
    Fenced,
    GateRefused,
    NothingToSnapshot,
    PreconditionFailed,
    StoreUnreachable,
)
from snapshotter.format import CATALOG_LIMIT, Condemned, Fork
from snapshotter.gatekeeper import Circumstances
from snapshotter.reader import read_catalog, read_pointer
from snapshotter.swap import new_attempt_id, swap_pointer
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import Crash, FaultyStore, lose_answer_of
from tests.snapshotter.images import BLOCK, BytesPart, image, lineage

POINTER = f"{DATASET}/head.json"
MAIN = random.Random(7).randbytes(40 * BLOCK)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket.at(tmp_path / "bucket")


def edited(data: bytes, *blocks: int) -> bytes:
    changed = bytearray(data)
    for block in blocks:
        changed[block * BLOCK] ^= 0xFF
    return bytes(changed)


# ---------------------------------------------------------------- content


def test_a_snapshot_restores_to_the_same_bytes(bucket: Bucket, tmp_path: Path) -> None:
    bucket.publish(bucket.publisher(), MAIN, tail=b"log" * 5000)

    assert bucket.restore(tmp_path / "out") == MAIN
    assert (tmp_path / "out.wal").read_bytes() == b"log" * 5000


def test_the_second_snapshot_stores_only_what_changed(bucket: Bucket, tmp_path: Path) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    before = bucket.objects()
    report = bucket.publish(publisher, edited(MAIN, 3, 30), 2)

    assert report.blocks_new == 2
    added = bucket.objects() - before
    assert report.new_bytes == sum(bucket.file(key).stat().st_size for key in added)
    assert 2 * BLOCK < report.new_bytes < 2 * BLOCK + 4 * 1024 + 3000
    assert report.stored_bytes >= len(MAIN)
    assert bucket.restore(tmp_path / "out") == edited(MAIN, 3, 30)


def test_older_snapshots_stay_restorable(bucket: Bucket, tmp_path: Path) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, MAIN)
    bucket.publish(publisher, edited(MAIN, 1), 2)

    assert bucket.restore(tmp_path / "out", first.snapshot_id) == MAIN


def test_an_unchanged_file_needs_no_pack_and_no_segment(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    before = bucket.objects()
    report = bucket.publish(publisher, MAIN, 2)

    manifest = layout.manifest_key(DATASET, report.snapshot_id)
    assert report.blocks_new == 0
    assert bucket.objects() - before == {manifest}
    assert report.new_bytes == bucket.file(manifest).stat().st_size < 3000


def test_a_growing_and_a_shrinking_file_keep_their_common_blocks(
    bucket: Bucket, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    grown = MAIN + random.Random(8).randbytes(10 * BLOCK + 17)
    bucket.publish(publisher, MAIN)

    assert bucket.publish(publisher, grown, 2).blocks_new == 11
    assert bucket.restore(tmp_path / "grown") == grown
    assert bucket.publish(publisher, MAIN[:-1], 3).blocks_new == 1
    assert bucket.restore(tmp_path / "shrunk") == MAIN[:-1]


def test_a_map_that_outgrew_its_segments_is_cut_anew_and_keeps_its_blocks(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = bucket.publisher()
    monkeypatch.setattr(blockmap, "_LISTED", 64)
    small = random.Random(1).randbytes(1024 * 512)
    large = small + bytes(512 * 10_000)
    bucket.publish(publisher, BytesPart(small, block_size=512))
    report = bucket.publish(publisher, BytesPart(large, block_size=512), 2)

    assert [part.segment_entries for part in bucket.header().parts] == [256]
    assert report.blocks_new == 10_000
    assert bucket.restore(tmp_path / "out") == large


def test_unused_blocks_are_holes_and_restore_as_zeros(bucket: Bucket, tmp_path: Path) -> None:
    part = BytesPart(MAIN, used=frozenset({0, 1, 5}))
    report = bucket.publish(bucket.publisher(), part)
    restored = bucket.restore(tmp_path / "out")

    assert report.blocks_new == 3
    assert restored[: 2 * BLOCK] == MAIN[: 2 * BLOCK]
    assert restored[5 * BLOCK : 6 * BLOCK] == MAIN[5 * BLOCK : 6 * BLOCK]
    assert restored.count(0) >= 37 * BLOCK
    assert len(restored) == len(MAIN)


def test_a_block_that_falls_out_of_use_becomes_a_hole(bucket: Bucket, tmp_path: Path) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    bucket.publish(publisher, BytesPart(MAIN, used=frozenset(range(39))), 2)

    assert bucket.restore(tmp_path / "out") == MAIN[: 39 * BLOCK] + bytes(BLOCK)


def test_a_preamble_is_a_block_of_its_own(bucket: Bucket, tmp_path: Path) -> None:
    publisher = bucket.publisher()
    part = BytesPart(MAIN[: 3 * BLOCK + 100], block_size=2 * BLOCK, preamble=100)
    bucket.publish(publisher, part)
    part.data = edited(part.data, 0)

    assert bucket.publish(publisher, part, 2).blocks_new == 1
    assert bucket.restore(tmp_path / "out") == part.data


def test_many_packs_are_filled_in_file_order(bucket: Bucket, tmp_path: Path) -> None:
    bucket.publish(bucket.publisher(pack_bytes=5 * BLOCK), MAIN)

    assert len(bucket.header().packs) > 2
    assert bucket.restore(tmp_path / "out") == MAIN


def test_sha256_can_be_chosen_and_changing_to_it_shares_nothing(
    bucket: Bucket, tmp_path: Path
) -> None:
    bucket.publish(bucket.publisher(), MAIN)
    report = bucket.publish(bucket.publisher(digest="sha256"), MAIN, 2)

    assert report.blocks_new == report.blocks_total
    assert bucket.header().digest_algorithm == "sha256"
    assert bucket.restore(tmp_path / "out") == MAIN


def test_a_full_snapshot_shares_nothing_with_older_ones(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    first = bucket.publish(publisher, MAIN)
    bucket.publish(publisher, MAIN, 2, full=True)

    assert not set(bucket.header().packs) & set(bucket.header(first.snapshot_id).packs)


def test_places_of_dead_packs_are_given_away_again(bucket: Bucket, tmp_path: Path) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    data = MAIN
    for version in range(2, 8):
        data = random.Random(version).randbytes(len(MAIN))
        bucket.publish(publisher, data, version)

    assert len(bucket.header().packs) <= 2
    assert bucket.restore(tmp_path / "out") == data


def test_an_empty_file_is_a_snapshot_too(bucket: Bucket, tmp_path: Path) -> None:
    bucket.publish(bucket.publisher(), b"", row_count=0)

    assert bucket.restore(tmp_path / "out") == b""


def test_a_new_publisher_goes_on_from_the_map_in_the_store(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher(), MAIN)
    report = bucket.publish(bucket.publisher("b"), edited(MAIN, 9), 2)

    assert report.blocks_new == 1
    assert report.snapshot_id.startswith("000002-000000000002-")


def test_progress_is_told_to_the_end(bucket: Bucket) -> None:
    told: list[tuple[int, int]] = []
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN, tail=b"x", progress=lambda *done: told.append(done))

    assert told == sorted(told)
    assert told[-1] == (len(MAIN) + 1, len(MAIN) + 1)


# ---------------------------------------------------------------- header and catalog


def test_the_header_says_what_the_image_was(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher("node-1", producer="snowmelt 0.1"), MAIN, 5, tail=b"t" * 10)
    header, pointer = bucket.header(), bucket.pointer()

    assert (header.engine, header.engine_version, header.row_count) == ("duckdb", "2.0.0", 3)
    assert (header.file_bytes, header.producer) == (len(MAIN) + 10, "snowmelt 0.1")
    assert header.checkpoint.version == 5
    assert header.resumable_until is not None
    assert pointer.holder == "node-1"
    assert pointer.lineage_id == header.checkpoint.lineage.id


def test_the_catalog_is_newest_first_and_current_is_the_newest(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    ids = [bucket.publish(publisher, MAIN, version).snapshot_id for version in (1, 2, 3)]

    assert [entry.snapshot_id for entry in bucket.pointer().catalog] == ids[::-1]
    assert bucket.pointer().current == ids[-1]


def test_two_snapshots_of_one_version_have_two_names(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    ids = {bucket.publish(publisher, MAIN, 1).snapshot_id for _ in range(5)}

    assert len(ids) == 5


def test_older_entries_move_into_linked_pages(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = snapshotter.catalog.push
    monkeypatch.setattr(snapshotter.catalog, "push", lambda old, new: real(old, new, limit=4))
    publisher = bucket.publisher()
    ids = [bucket.publish(publisher, MAIN, version).snapshot_id for version in range(1, 12)]
    pointer = bucket.pointer()

    assert len(pointer.catalog) <= 4 < CATALOG_LIMIT
    assert [entry.snapshot_id for entry in read_catalog(bucket.store, pointer)] == ids[::-1]


def test_a_renewal_is_told_apart_from_new_data(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    first = bucket.checkpoint(1)
    idle = first.next(
        shards={
            name: replace(shard, tip_at=bucket.store.now()) for name, shard in first.shards.items()
        }
    )
    moved = idle.next(
        shards={
            name: replace(shard, position=After("9" * 21), created_at=bucket.store.now())
            for name, shard in first.shards.items()
        }
    )
    closed = moved.next(
        shards={
            name: replace(shard, position=End(), ended_at=bucket.store.now())
            for name, shard in moved.shards.items()
        }
    )
    told = [
        publisher.publish(image(MAIN, at, tail=bytes(at.version)), reason="x").renewal
        for at in (first, idle, moved, closed)
    ]

    assert told == [False, True, False, True]


def test_progress_of_a_bootstrap_stands_in_the_pointer_until_the_snapshot(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    publisher.announce_progress(0.25)
    announced = bucket.pointer().bootstrap_progress
    bucket.publish(publisher, MAIN)

    assert announced == 0.25
    assert bucket.pointer().bootstrap_progress is None


# ---------------------------------------------------------------- gate


def test_nothing_is_published_before_the_scan_has_ended(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    with pytest.raises(NothingToSnapshot, match=r"flights is not finished \(7 items so far\)"):
        publisher.publish(image(MAIN, bucket.checkpoint(finished=False)), reason="x")
    assert bucket.pointer().current is None


def test_an_expired_checkpoint_is_not_published(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    old = bucket.checkpoint(1)
    old = replace(
        old,
        shards={
            name: replace(shard, tip_at=1000.0, created_at=1000.0)
            for name, shard in old.shards.items()
        },
    )
    with pytest.raises(GateRefused, match=r"not published: its checkpoint expired .* h ago"):
        publisher.publish(image(MAIN, old), reason="x")


def test_a_checkpoint_of_unknown_age_is_not_published(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    with pytest.raises(GateRefused, match="age of its checkpoint is unknown"):
        publisher.publish(image(MAIN, bucket.checkpoint(shards={})), reason="x")


def test_a_table_that_is_read_without_its_stream_is_published_although_nothing_is_resumed(
    bucket: Bucket,
) -> None:
    publisher = bucket.publisher()
    of = replace(lineage(), stream_arn="")

    publisher.publish(image(MAIN, bucket.checkpoint(of=of, shards={})), reason="x")

    assert bucket.header().resumable_until is None


def test_an_empty_table_replaces_a_filled_one_only_when_allowed(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN, 1, row_count=3)
    with pytest.raises(GateRefused, match="it is empty, and the published one has 3 rows"):
        bucket.publish(publisher, MAIN, 2, row_count=0)
    bucket.publish(publisher, MAIN, 2, row_count=0, given=Circumstances(allow_empty=True))

    assert bucket.header().row_count == 0


def test_a_broken_freeze_publishes_nothing(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    before = bucket.pointer()
    with pytest.raises(FreezeBroken):
        bucket.publish(publisher, BytesPart(edited(MAIN, 1), broken=True), 2)

    assert bucket.pointer() == before
    assert not [key for key in bucket.objects() if "-000000000002-" in key and "manifest" in key]
    assert bucket.publish(publisher, edited(MAIN, 1), 2).blocks_new == 1


# ---------------------------------------------------------------- fencing


def test_each_take_over_raises_the_generation_and_keeps_the_fork(bucket: Bucket) -> None:
    first = bucket.publisher("a")
    bucket.publish(first, MAIN, 7)
    bucket.publisher("b")

    assert bucket.pointer().generation == 2
    assert bucket.pointer().holder == "b"
    assert bucket.pointer().forks == (Fork(1, 0), Fork(2, 7))


def test_a_file_that_lived_in_an_older_bucket_takes_its_generation_along(
    bucket: Bucket, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    publisher.publish(image(MAIN, bucket.checkpoint(9, generation=5)), reason="x")

    assert publisher.generation == 5
    assert bucket.pointer().forks == (Fork(1, 0), Fork(5, 0))
    assert bucket.header().checkpoint.generation == 5
    assert bucket.restore(tmp_path / "out") == MAIN


def test_the_older_generation_is_fenced(bucket: Bucket) -> None:
    old, new = bucket.publisher("a"), bucket.publisher("b")
    with pytest.raises(Fenced, match="generation 2 of 'b' publishes, this is generation 1"):
        bucket.publish(old, MAIN)
    with pytest.raises(Fenced):
        old.announce_progress(0.5)
    bucket.publish(new, MAIN)


def test_a_take_over_during_a_publish_fences_it_at_the_pointer(bucket: Bucket) -> None:
    taken: list[int] = []

    def take_over_at_manifest(_: int, name: str, key: str) -> None:
        if key.endswith("/manifest") and name == "put_if_absent":
            taken.append(bucket.publisher("b").generation or 0)

    old = bucket.publisher("a", store=FaultyStore(bucket.store, after=take_over_at_manifest))
    with pytest.raises(Fenced):
        bucket.publish(old, MAIN)

    assert taken == [2]
    assert bucket.pointer().current is None


def test_a_file_behind_the_published_state_is_fenced(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher("a"), MAIN, 5)
    with pytest.raises(Fenced, match="version 4 does not cover the published version 5"):
        bucket.publish(bucket.publisher("b"), MAIN, 4)


def test_a_higher_version_with_a_shard_behind_is_fenced(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher("a"), MAIN, 5)
    publisher = bucket.publisher("b")
    behind = bucket.checkpoint(6, position=After("3".zfill(21)))
    with pytest.raises(Fenced, match="does not cover"):
        publisher.publish(image(MAIN, behind), reason="x")


def test_a_standby_with_fewer_commits_goes_on_once_its_shards_are_as_far(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher("a"), MAIN, 500)
    standby = bucket.publisher("b")
    behind = bucket.checkpoint(301, generation=2, position=After("499".zfill(21)))
    with pytest.raises(Fenced, match="does not cover"):
        standby.publish(image(MAIN, behind), reason="x")

    ahead = bucket.checkpoint(302, generation=2, position=After("501".zfill(21)))
    standby.publish(image(MAIN, ahead), reason="x")

    assert [entry.version for entry in bucket.pointer().catalog] == [302, 500]


def test_a_newer_bootstrap_replaces_an_older_one_and_not_the_reverse(bucket: Bucket) -> None:
    newer = lineage("20260901T000000Z-bbbb")
    bucket.publish(bucket.publisher("a"), MAIN, 90)
    publisher = bucket.publisher("b")
    publisher.publish(image(MAIN, bucket.checkpoint(2, of=newer)), reason="x")

    assert bucket.pointer().lineage_id == newer.id
    with pytest.raises(Fenced, match="published is the newer 20260901T000000Z-bbbb"):
        bucket.publish(publisher, MAIN, 91)


def test_another_lineage_shares_no_packs(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher("a"), MAIN, 90)
    fresh = bucket.checkpoint(2, of=lineage("20260901T000000Z-bbbb"))
    report = bucket.publisher("b").publish(image(MAIN, fresh), reason="x")

    assert report.blocks_new == report.blocks_total


def test_a_pointer_that_was_rolled_back_by_hand_meanwhile_is_not_overwritten(
    bucket: Bucket,
) -> None:
    publisher = bucket.publisher("a")
    first = bucket.publish(publisher, MAIN, 1)
    bucket.publish(publisher, edited(MAIN, 1), 2)

    def roll_back(_: int, name: str, key: str) -> None:
        if key.endswith("/manifest") and name == "put_if_absent":
            swap_pointer(
                bucket.store,
                DATASET,
                lambda pointer: replace(pointer, current=first.snapshot_id),
                attempt_id=new_attempt_id(),
                algorithm="blake3",
            )

    publisher._store = FaultyStore(bucket.store, after=roll_back)
    with pytest.raises(PreconditionFailed, match="changed during the publish"):
        bucket.publish(publisher, edited(MAIN, 2), 3)
    assert bucket.pointer().current == first.snapshot_id


def test_another_change_of_the_pointer_meanwhile_is_kept(bucket: Bucket) -> None:
    first = bucket.publish(bucket.publisher(), MAIN).snapshot_id

    def pin(_: int, name: str, key: str) -> None:
        if key.endswith("/manifest") and name == "put_if_absent":
            change_catalog(bucket.store, DATASET, lambda pointer: marks.pin(pointer, first, "keep"))

    store = FaultyStore(bucket.store, after=pin)
    second = bucket.publish(bucket.publisher(store=store), MAIN, 2)

    assert [entry.pinned for entry in bucket.pointer().catalog] == [None, "keep"]
    assert bucket.pointer().current == second.snapshot_id


# ---------------------------------------------------------------- trouble


@pytest.mark.parametrize("name", ["put_if_match", "put_if_absent"])
def test_a_lost_answer_of_a_take_over_is_found_out(bucket: Bucket, name: str) -> None:
    if name == "put_if_match":
        bucket.publisher()
    store = FaultyStore(bucket.store, after=lose_answer_of(name, POINTER))
    publisher = bucket.publisher("b", store=store)

    assert publisher.generation == bucket.pointer().generation
    assert len(bucket.pointer().forks) == publisher.generation


def test_a_lost_answer_of_the_pointer_is_a_success(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    publisher._store = FaultyStore(bucket.store, after=lose_answer_of("put_if_match", POINTER))
    report = bucket.publish(publisher, MAIN)

    assert bucket.pointer().current == report.snapshot_id
    assert bucket.publish(publisher, edited(MAIN, 1), 2).blocks_new == 1


def test_a_lost_answer_of_the_manifest_is_a_success(bucket: Bucket) -> None:
    def after(_: int, name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith("/manifest"):
            raise StoreUnreachable("no answer")

    report = bucket.publish(bucket.publisher(store=FaultyStore(bucket.store, after=after)), MAIN)

    assert bucket.pointer().current == report.snapshot_id


def test_a_publish_whose_outcome_stays_unknown_is_settled_by_the_next_one(
    bucket: Bucket, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    down = [False]

    def after(_: int, name: str, key: str) -> None:
        down[0] = down[0] or (name == "put_if_match")
        if down[0]:
            raise StoreUnreachable("gone")

    publisher._store = FaultyStore(bucket.store, after=after)
    with pytest.raises(StoreUnreachable):
        bucket.publish(publisher, edited(MAIN, 1), 2)
    publisher._store = bucket.store

    assert bucket.pointer().catalog[0].version == 2
    assert bucket.publish(publisher, edited(MAIN, 1, 2), 3).blocks_new == 1
    assert bucket.restore(tmp_path / "out") == edited(MAIN, 1, 2)


def test_a_failed_upload_publishes_nothing(bucket: Bucket) -> None:
    def before(_: int, name: str, key: str) -> None:
        if "/packs/" in key and name == "put_if_absent":
            raise StoreUnreachable("full")

    publisher = bucket.publisher(
        store=FaultyStore(bucket.store, before=before), pack_bytes=4 * BLOCK
    )
    with pytest.raises(StoreUnreachable, match="full"):
        bucket.publish(publisher, MAIN)
    assert bucket.pointer().current is None


def _crash_points(bucket: Bucket) -> int:
    """Calls of an incremental publish by a new publisher."""
    store = FaultyStore(bucket.store)
    bucket.publish(bucket.publisher(store=store), edited(MAIN, 1), 2)
    return len(store.calls)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_at_any_call_leaves_the_old_snapshot_or_the_new(
    tmp_path: Path, moment: str
) -> None:
    rehearsal = Bucket.at(tmp_path / "rehearsal")
    rehearsal.publish(rehearsal.publisher(), MAIN)
    seen: set[int] = set()
    for point in range(_crash_points(rehearsal)):
        bucket = Bucket.at(tmp_path / f"bucket-{point}")
        bucket.publish(bucket.publisher(), MAIN)

        def crash(number: int, name: str, key: str, at: int = point) -> None:
            if number == at:
                raise Crash

        hooks: dict[str, Callable[[int, str, str], None]] = {moment: crash}
        with pytest.raises(Crash):
            bucket.publish(
                bucket.publisher(store=FaultyStore(bucket.store, **hooks)), edited(MAIN, 1), 2
            )
        version = bucket.pointer().catalog[0].version
        expected = MAIN if version == 1 else edited(MAIN, 1)
        assert bucket.restore(tmp_path / f"out-{point}") == expected
        seen.add(version)
        after = bucket.publish(bucket.publisher("c"), edited(MAIN, 1, 2), 3)
        assert bucket.restore(tmp_path / f"again-{point}") == edited(MAIN, 1, 2)
        assert after.blocks_new <= 2
    assert seen == ({1} if moment == "before" else {1, 2})


# ---------------------------------------------------------------- what it builds on


def test_a_lost_pack_is_noticed_and_the_next_snapshot_shares_nothing(
    bucket: Bucket, tmp_path: Path
) -> None:
    bucket.publish(bucket.publisher(), MAIN)
    bucket.file(bucket.header().packs[0]).unlink()
    report = bucket.publish(bucket.publisher("b"), edited(MAIN, 1), 2)

    assert report.blocks_new == report.blocks_total
    assert bucket.restore(tmp_path / "out") == edited(MAIN, 1)


def test_a_running_publisher_looks_for_its_packs_from_time_to_time(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshotter.publish, "_PROVE_EVERY", 2)
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    bucket.file(bucket.header().packs[0]).unlink()

    assert bucket.publish(publisher, edited(MAIN, 1), 2).blocks_new == 1
    report = bucket.publish(publisher, edited(MAIN, 2), 3)
    assert report.blocks_new == report.blocks_total


def test_an_incremental_publish_needs_few_requests(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    store = FaultyStore(bucket.store)
    publisher._store = store
    bucket.publish(publisher, edited(MAIN, 1), 2)

    assert [name for name, _ in store.calls] == [
        "get",  # bucket.json
        "get",  # head.json
        "put_if_absent",  # the pack
        "put_if_absent",  # the manifest
        "put_if_match",  # the pointer
    ]


def test_a_damaged_manifest_is_healed_by_the_next_snapshot(bucket: Bucket, tmp_path: Path) -> None:
    report = bucket.publish(bucket.publisher(), MAIN)
    manifest = bucket.file(layout.manifest_key(DATASET, report.snapshot_id))
    manifest.write_bytes(b"?" + manifest.read_bytes()[1:])
    healed = bucket.publish(bucket.publisher("b"), MAIN, 2)

    assert healed.blocks_new == healed.blocks_total
    assert bucket.restore(tmp_path / "out") == MAIN


def test_a_condemned_pack_is_not_built_on(bucket: Bucket) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    pack = bucket.header().packs[0]
    swap_pointer(
        bucket.store,
        DATASET,
        lambda pointer: replace(pointer, condemned=(Condemned(pack, 1.0),)),
        attempt_id=new_attempt_id(),
        algorithm="blake3",
    )
    report = bucket.publish(publisher, MAIN, 2)

    assert report.blocks_new == report.blocks_total
    assert pack not in bucket.header().packs


def test_a_pointer_of_another_bucket_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    bucket.publish(bucket.publisher(), MAIN)
    other = Bucket.at(tmp_path / "other")
    other.publisher()
    other.file(POINTER).write_bytes(bucket.file(POINTER).read_bytes())

    with pytest.raises(Corrupt, match="belongs to another bucket"):
        read_pointer(other.store, DATASET)
    with pytest.raises(Corrupt, match="belongs to another bucket"):
        other.publisher("b")


def test_a_pointer_without_the_buckets_identity_is_refused(bucket: Bucket) -> None:
    bucket.publish(bucket.publisher(), MAIN)
    bucket.file(f"{DATASET}/bucket.json").unlink()

    with pytest.raises(Corrupt, match=r"bucket\.json is missing beside a pointer"):
        bucket.publisher("b")


def test_pack_names_are_never_used_twice(bucket: Bucket) -> None:
    contents: dict[str, str] = {}

    def remember(_: int, name: str, key: str) -> None:
        if "/packs/" in key and name == "put_if_absent":
            found = hashlib.sha256(bucket.file(key).read_bytes()).hexdigest()
            assert contents.setdefault(key, found) == found

    store = FaultyStore(bucket.store, after=remember)
    for generation in range(3):
        publisher = bucket.publisher(store=store, pack_bytes=8 * BLOCK)
        for version in (1, 1, 2):
            data = random.Random(generation * 10 + version).randbytes(len(MAIN))
            bucket.publish(publisher, data, version + generation * 2)

    assert len(contents) >= 9
