"""What looks and drills leave in the catalog, and who may write it down."""

from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter import proofs
from snapshotter.errors import NoSuchSnapshot, StoreAccessDenied, StoreUnreachable
from snapshotter.format import Level, Pointer, Verified
from snapshotter.record import record
from snapshotter.sealed import decode_pointer, encode_pointer
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import FaultyStore
from tests.snapshotter.images import BLOCK
from tests.snapshotter.test_catalog import entry
from tests.snapshotter.test_marks import pointer

DIGEST = "0123456789abcdef" * 2
ID = "id-20"


def three() -> Pointer:
    return pointer(catalog=tuple(entry(version) for version in (30, 20, 10)), current="id-30")


def look_of(pointer: Pointer) -> Verified | None:
    found = pointer.entry(ID)
    assert found is not None
    return found.verified


def test_a_look_is_kept_with_its_snapshot() -> None:
    look = Verified(5.0, "fast", 0)
    after = proofs.verified(three(), ID, look)

    assert [one.verified for one in after.catalog] == [None, look, None]


@pytest.mark.parametrize(
    "before, after, kept",
    [
        ("full", "fast", "full"),
        ("drill", "full", "drill"),
        ("sample", "sample", "sample"),
        ("fast", "sample", "sample"),
    ],
)
def test_a_look_that_sees_nothing_leaves_the_word_of_a_closer_one(
    before: Level, after: Level, kept: Level
) -> None:
    first = proofs.verified(three(), ID, Verified(1.0, before, 0))
    second = proofs.verified(first, ID, Verified(2.0, after, 0))

    look = look_of(second)
    assert look is not None
    assert (look.level, look.at) == (kept, 1.0 if kept != after else 2.0)


def test_what_a_close_look_found_is_not_refuted_by_a_weaker_one() -> None:
    found = proofs.verified(three(), ID, Verified(1.0, "full", 3))

    assert proofs.verified(found, ID, Verified(2.0, "fast", 0)) is found


def test_any_look_that_finds_a_fault_is_kept_and_takes_the_proof_back() -> None:
    proven = proofs.proven(three(), ID, 1.0, DIGEST)
    after = proofs.verified(proven, ID, Verified(2.0, "fast", 1))

    assert look_of(after) == Verified(2.0, "fast", 1)
    found = after.entry(ID)
    assert found is not None
    assert (found.proven_at, found.content_digest) == (None, None)


def test_a_drill_proves_and_has_looked_at_everything() -> None:
    found = proofs.proven(three(), ID, 7.0, DIGEST).entry(ID)

    assert found is not None
    assert (found.proven_at, found.content_digest) == (7.0, DIGEST)
    assert found.verified == Verified(7.0, "drill", 0)


def test_nothing_is_said_of_a_snapshot_that_is_not_listed() -> None:
    with pytest.raises(NoSuchSnapshot):
        proofs.proven(three(), "id-40", 1.0, DIGEST)
    with pytest.raises(NoSuchSnapshot):
        proofs.verified(three(), "id-40", Verified(1.0, "fast", 0))


def test_the_newest_proven_is_one_that_may_be_restored() -> None:
    entries = tuple(entry(version, proven_at=1.0) for version in (30, 20, 10))
    quarantined = replace(entries[1], quarantined="wrong")

    assert proofs.newest_proven(entries, "id-30") == entries[0]
    assert proofs.newest_proven(entries, "id-20") == entries[1]
    assert proofs.newest_proven((entries[0], quarantined, entries[2]), "id-20") == entries[2]
    assert proofs.newest_proven(three().catalog, "id-30") is None


def test_the_last_look_is_that_of_the_latest_time() -> None:
    looks = (Verified(1.0, "full", 0), Verified(3.0, "fast", 2), Verified(2.0, "fast", 0))
    entries = [entry(version, verified=look) for version, look in enumerate(looks)]

    assert proofs.last_verified(entries) == looks[1]
    assert proofs.last_verified([entry(1)]) is None


# ---------------------------------------------------------------- in a store


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    bucket = Bucket.at(tmp_path / "bucket")
    bucket.publish(bucket.publisher(), bytes(BLOCK))
    return bucket


def test_look_and_proof_survive_the_pointer(bucket: Bucket) -> None:
    current = bucket.pointer().current or ""
    assert record(bucket.store, DATASET, lambda p: proofs.proven(p, current, 9.5, DIGEST)) is None

    found = bucket.pointer().entry(current)
    assert found is not None
    assert (found.verified, found.content_digest) == (Verified(9.5, "drill", 0), DIGEST)
    assert decode_pointer(encode_pointer(bucket.pointer()), DATASET) == bucket.pointer()


def test_a_reader_is_told_why_nothing_is_written_down(bucket: Bucket) -> None:
    def denied(_: int, name: str, key: str) -> None:
        if name == "put_if_match":
            raise StoreAccessDenied(f"PutObject {key}")

    current = bucket.pointer().current or ""
    store = FaultyStore(bucket.store, before=denied)
    why = record(store, DATASET, lambda p: proofs.proven(p, current, 9.5, DIGEST))

    assert why == f"PutObject {DATASET}/head.json"
    found = bucket.pointer().entry(current)
    assert found is not None
    assert found.proven_at is None


def test_a_snapshot_that_went_meanwhile_is_no_failure(bucket: Bucket) -> None:
    why = record(bucket.store, DATASET, lambda p: proofs.proven(p, "gone", 9.5, DIGEST))

    assert why == "retention dropped the snapshot meanwhile"


def test_a_store_that_is_away_is_a_failure(bucket: Bucket) -> None:
    def down(_: int, name: str, key: str) -> None:
        if name in ("put_if_match", "get"):
            raise StoreUnreachable("gone")

    store = FaultyStore(bucket.store, before=down)
    with pytest.raises(StoreUnreachable):
        record(store, DATASET, lambda p: proofs.proven(p, p.current or "", 9.5, DIGEST))
