"""Who may publish: buckets that are signed, by whom, and what readers with trusted keys take."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from snapshotter import layout, marks, seal, sealed
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import SigningKeyMissing, Untrusted
from snapshotter.format import CATALOG_LIMIT, Pointer
from snapshotter.prune import Pruner
from snapshotter.publish import Publisher
from snapshotter.reader import read_catalog, read_header, read_pointer, read_stored_pointer
from snapshotter.retention import Retention
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.signing import ANNA, BERT, EVE, KeyPair, carrying

HEAD = layout.pointer_key(DATASET)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket.at(tmp_path / "bucket")


def publisher(bucket: Bucket, key: KeyPair | None = ANNA) -> Publisher:
    return bucket.publisher(store=carrying(bucket.store, key=key))


def published(bucket: Bucket, key: KeyPair | None = ANNA, snapshots: int = 1) -> list[str]:
    by = publisher(bucket, key)
    return [
        bucket.publish(by, bytes([n]) * 9000, version=n).snapshot_id
        for n in range(1, 1 + snapshots)
    ]


def trusting(bucket: Bucket, *keys: KeyPair) -> Pointer:
    return read_pointer(carrying(bucket.store, trusted=keys), DATASET)


def test_a_signed_snapshot_is_read_by_who_trusts_the_key(bucket: Bucket) -> None:
    (snapshot,) = published(bucket)
    store = carrying(bucket.store, trusted=(ANNA,))

    pointer = read_pointer(store, DATASET)

    assert pointer.current == snapshot
    assert read_header(store, pointer.catalog[0]).snapshot_id == snapshot
    assert read_stored_pointer(store, DATASET).signed_by == ANNA.key_id


def test_a_header_is_checked_without_a_pointer_too(bucket: Bucket) -> None:
    published(bucket)
    (entry,) = bucket.pointer().catalog

    read_header(carrying(bucket.store, trusted=(ANNA,)), entry)
    with pytest.raises(Untrusted, match=f"manifest of .*: signed by {ANNA.key_id}"):
        read_header(carrying(bucket.store, trusted=(BERT,)), entry)


def test_who_has_no_trusted_keys_reads_as_before(bucket: Bucket, tmp_path: Path) -> None:
    published(bucket)

    assert bucket.header().row_count == 3
    assert bucket.restore(tmp_path / "out") == bytes([1]) * 9000


def test_what_nobody_signed_is_refused_by_who_has_trusted_keys(bucket: Bucket) -> None:
    published(bucket, key=None)

    with pytest.raises(Untrusted, match=f"^{HEAD}: not signed$") as refused:
        trusting(bucket, ANNA)
    assert refused.value.exit_code == 5


def test_another_key_is_refused(bucket: Bucket) -> None:
    published(bucket, key=EVE)

    with pytest.raises(Untrusted, match=f"signed by {EVE.key_id}, trusted are {ANNA.key_id}"):
        trusting(bucket, ANNA)


def test_keys_are_rotated_while_both_are_trusted(bucket: Bucket) -> None:
    first = published(bucket, ANNA)
    assert trusting(bucket, ANNA, BERT).current == first[-1]
    second = published(bucket, BERT, snapshots=2)

    store = carrying(bucket.store, trusted=(ANNA, BERT))
    pointer = read_pointer(store, DATASET)

    assert pointer.current == second[-1]
    assert [read_header(store, entry).snapshot_id for entry in pointer.catalog]
    with pytest.raises(Untrusted):
        trusting(bucket, ANNA)


def test_a_changed_pointer_with_a_right_digest_is_refused(bucket: Bucket) -> None:
    published(bucket, snapshots=2)
    store = carrying(bucket.store, trusted=(ANNA,))
    data = store.get(HEAD, max_bytes=2**20).data
    for old, new in ((b'"hold":null', b'"hold":"eve"'), (b'"sequence":', b'"sequence":9')):
        rest = seal.signable(data).replace(old, new)
        assert rest != seal.signable(data)
        bucket.file(HEAD).write_bytes(seal.signed(data[:77] + rest, lambda text, _=b"": text))

        with pytest.raises(Untrusted, match=f"not what {ANNA.key_id} signed"):
            read_pointer(store, DATASET)


def test_what_was_signed_for_another_bucket_or_dataset_is_refused(
    bucket: Bucket, tmp_path: Path
) -> None:
    published(bucket)
    other = Bucket.at(tmp_path / "other")
    published(other)
    # Everything of the other bucket but its identity, and that put into the pointer by hand.
    identity = bucket.file(layout.bucket_key(DATASET)).read_bytes()
    bucket_id = bucket.pointer().bucket_id
    pointer = other.file(HEAD).read_bytes()
    (entry,) = other.pointer().catalog
    shutil.rmtree(bucket.directory / DATASET)
    shutil.copytree(other.directory / DATASET, bucket.directory / DATASET)
    bucket.file(layout.bucket_key(DATASET)).write_bytes(identity)
    rest = seal.signable(pointer).replace(other.pointer().bucket_id.encode(), bucket_id.encode())
    bucket.file(HEAD).write_bytes(seal.signed(pointer[:77] + rest, lambda text, _=b"": text))
    store = carrying(bucket.store, trusted=(ANNA,))

    with pytest.raises(Untrusted, match="not what"):
        read_pointer(store, DATASET)
    with pytest.raises(Untrusted, match="not what"):
        read_header(store, entry)


def test_a_new_snapshot_shares_nothing_with_one_that_is_not_trusted(bucket: Bucket) -> None:
    published(bucket, key=None)
    publisher(bucket, ANNA)  # signs the pointer, not what it lists
    store = carrying(bucket.store, key=ANNA, trusted=(ANNA,))
    by = Publisher(store, DATASET, holder="b")
    by.take_over()

    report = bucket.publish(by, bytes([1]) * 9000, version=2)

    assert report.blocks_new == report.blocks_total
    read_header(store, read_pointer(store, DATASET).catalog[0])


CHANGES: dict[str, Callable[[Pointer], Pointer]] = {
    "pin": lambda pointer: marks.pin(pointer, pointer.current or ""),
    "quarantine": lambda pointer: marks.quarantine(pointer, pointer.catalog[-1].snapshot_id),
    "hold": lambda pointer: marks.hold(pointer, "a reason"),
    "rollback": lambda pointer: marks.roll_back(pointer, pointer.catalog[-1].snapshot_id),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_of_the_catalog_is_signed(
    bucket: Bucket, change: Callable[[Pointer], Pointer]
) -> None:
    published(bucket, snapshots=2)
    before = trusting(bucket, ANNA)

    change_catalog(carrying(bucket.store, key=BERT, trusted=(ANNA, BERT)), DATASET, change)

    after = trusting(bucket, BERT)
    assert after.attempt_id != before.attempt_id
    assert after.sequence == before.sequence + 1


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_who_has_no_key_changes_nothing_that_is_signed(
    bucket: Bucket, change: Callable[[Pointer], Pointer]
) -> None:
    published(bucket, snapshots=2)
    before = bucket.objects(), bucket.file(HEAD).read_bytes()

    with pytest.raises(SigningKeyMissing, match=f"{HEAD} is signed by {ANNA.key_id}") as refused:
        change_catalog(bucket.store, DATASET, change)

    assert "signing.key" in refused.value.hint
    assert refused.value.exit_code == 2
    assert (bucket.objects(), bucket.file(HEAD).read_bytes()) == before


def test_who_has_no_key_takes_nothing_over_and_publishes_nothing(bucket: Bucket) -> None:
    published(bucket)
    before = bucket.objects(), bucket.file(HEAD).read_bytes()

    with pytest.raises(SigningKeyMissing):
        bucket.publisher("b")

    assert (bucket.objects(), bucket.file(HEAD).read_bytes()) == before


def test_prune_signs_what_it_leaves_and_needs_the_key(bucket: Bucket) -> None:
    published(bucket, snapshots=3)
    keeps = Retention(keep_last=1)

    with pytest.raises(SigningKeyMissing):
        Pruner(bucket.store, DATASET, keeps, grace=3600).record(sweeps=True)
    assert len(bucket.pointer().catalog) == 3
    store = carrying(bucket.store, key=ANNA, trusted=(ANNA,))
    Pruner(store, DATASET, keeps, grace=3600).record(sweeps=True)

    after = trusting(bucket, ANNA)
    assert len(after.catalog) < 3
    assert after.condemned


def padded(pointer: Pointer, *, to: int) -> Pointer:
    """The catalog made as long as that by entries of the oldest snapshot, made older."""
    last, missing = pointer.catalog[-1], to - len(pointer.catalog)
    ids = (layout.SnapshotId(last.generation, last.version, n + 1) for n in range(missing))
    entries = [replace(last, snapshot_id=str(one)) for one in ids]
    return replace(pointer, catalog=(*pointer.catalog, *reversed(entries)))


def test_pages_are_signed_by_name(bucket: Bucket) -> None:
    published(bucket, snapshots=2)
    store = carrying(bucket.store, key=ANNA, trusted=(ANNA,))

    pointer = change_catalog(store, DATASET, partial(padded, to=2 * CATALOG_LIMIT)).after

    assert len(list(read_catalog(store, pointer))) == 2 * CATALOG_LIMIT
    older = pointer.older
    assert older is not None
    further = sealed.decode_page(bucket.file(older).read_bytes(), DATASET, older)[1]
    assert further is not None
    shutil.copyfile(bucket.file(further), bucket.file(older))
    with pytest.raises(Untrusted, match=f"{older}: not what"):
        list(read_catalog(store, pointer))


def test_a_publisher_signs_the_pages_that_it_makes(bucket: Bucket) -> None:
    published(bucket)
    store = carrying(bucket.store, key=ANNA, trusted=(ANNA,))
    change_catalog(store, DATASET, partial(padded, to=CATALOG_LIMIT))

    bucket.publish(publisher(bucket), b"2" * 9000, version=2)

    pointer = read_pointer(store, DATASET)
    assert pointer.older is not None
    assert len(list(read_catalog(store, pointer))) == CATALOG_LIMIT + 1


def test_the_progress_of_a_bootstrap_is_signed(bucket: Bucket) -> None:
    publisher(bucket).announce_progress(0.5)

    assert trusting(bucket, ANNA).bootstrap_progress == 0.5
