"""A pointer that is older than what a node has seen of it: refused, by name."""

import json
import shutil
import threading
from pathlib import Path

import pytest

from snapshotter import layout, marks
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import SetBack, SnapshotError
from snapshotter.reader import read_pointer
from snapshotter.seen import SeenFile
from snapshotter.store import ObjectStore
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.signing import ANNA, carrying

HEAD = layout.pointer_key(DATASET)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    bucket = Bucket.at(tmp_path / "bucket")
    bucket.publish(bucket.publisher(), b"1" * 9000)
    return bucket


def reader(bucket: Bucket, tmp_path: Path) -> ObjectStore:
    """The store of a node that has just started."""
    return carrying(bucket.store, seen=SeenFile(tmp_path / "seen.json", bucket.store.url))


def held(bucket: Bucket) -> None:
    change_catalog(bucket.store, DATASET, lambda pointer: marks.hold(pointer, "wait"))


def test_a_pointer_that_was_put_back_is_refused_by_who_saw_a_newer_one(
    bucket: Bucket, tmp_path: Path
) -> None:
    yesterday = bucket.file(HEAD).read_bytes()
    held(bucket)
    read_pointer(reader(bucket, tmp_path), DATASET)
    bucket.file(HEAD).write_bytes(yesterday)

    with pytest.raises(SetBack) as refused:
        read_pointer(reader(bucket, tmp_path), DATASET)

    told = "the bucket was set back: this node has seen write 3 of generation 1"
    assert told in str(refused.value)
    assert "the pointer is of write 2 of generation 1" in str(refused.value)
    assert str(tmp_path / "seen.json") in refused.value.hint
    assert refused.value.exit_code == 5
    assert read_pointer(bucket.store, DATASET).hold is None  # who has seen nothing cannot know


def test_what_goes_forward_is_followed(bucket: Bucket, tmp_path: Path) -> None:
    store = reader(bucket, tmp_path)
    first = read_pointer(store, DATASET)
    held(bucket)

    assert read_pointer(store, DATASET).sequence == first.sequence + 1
    assert read_pointer(reader(bucket, tmp_path), DATASET).hold == "wait"


def test_a_rollback_is_followed(bucket: Bucket, tmp_path: Path) -> None:
    older = bucket.pointer().current or ""
    bucket.publish(bucket.publisher("b"), b"2" * 9000, version=2)
    store = reader(bucket, tmp_path)
    before = read_pointer(store, DATASET)

    change_catalog(bucket.store, DATASET, lambda pointer: marks.roll_back(pointer, older))

    after = read_pointer(store, DATASET)
    assert before.current != after.current == older


def test_a_rollback_in_a_bucket_that_was_set_back_leads_out_of_it(
    bucket: Bucket, tmp_path: Path
) -> None:
    older = bucket.pointer().current or ""
    bucket.publish(bucket.publisher("b"), b"2" * 9000, version=2)
    yesterday = bucket.file(HEAD).read_bytes()
    held(bucket)
    store = reader(bucket, tmp_path)
    read_pointer(store, DATASET)
    bucket.file(HEAD).write_bytes(yesterday)
    with pytest.raises(SetBack):
        read_pointer(store, DATASET)

    change_catalog(bucket.store, DATASET, lambda pointer: marks.roll_back(pointer, older))

    assert read_pointer(store, DATASET).current == older


def test_a_refusal_is_forgotten_with_the_record(bucket: Bucket, tmp_path: Path) -> None:
    yesterday = bucket.file(HEAD).read_bytes()
    held(bucket)
    store = reader(bucket, tmp_path)
    read_pointer(store, DATASET)
    bucket.file(HEAD).write_bytes(yesterday)
    (tmp_path / "seen.json").unlink()

    assert read_pointer(store, DATASET).hold is None


def test_another_place_is_another_story(bucket: Bucket, tmp_path: Path) -> None:
    shutil.copytree(bucket.directory, tmp_path / "replica")
    held(bucket)
    read_pointer(reader(bucket, tmp_path), DATASET)
    replica = Bucket.at(tmp_path / "replica")

    assert read_pointer(reader(replica, tmp_path), DATASET).hold is None


def test_a_bucket_that_was_emptied_is_named_by_who_has_trusted_keys(
    tmp_path: Path,
) -> None:
    bucket = Bucket.at(tmp_path / "bucket")
    seen = SeenFile(tmp_path / "seen.json", bucket.store.url)
    bucket.publisher(store=carrying(bucket.store, key=ANNA))
    read_pointer(carrying(bucket.store, trusted=(ANNA,), seen=seen), DATASET)
    shutil.rmtree(bucket.directory / DATASET)
    bucket.publisher(store=carrying(bucket.store, key=ANNA))

    with pytest.raises(SetBack, match="the bucket was emptied or replaced"):
        read_pointer(carrying(bucket.store, trusted=(ANNA,), seen=seen), DATASET)
    assert read_pointer(carrying(bucket.store, seen=seen), DATASET).generation == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 4096, b'{"format":2}'])
def test_a_record_that_cannot_be_read_is_begun_anew(
    bucket: Bucket, tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "seen.json").write_bytes(damage)

    pointer = read_pointer(reader(bucket, tmp_path), DATASET)

    record = json.loads((tmp_path / "seen.json").read_bytes())
    assert record["sequence"] == pointer.sequence


def test_a_record_that_cannot_be_kept_is_done_without(bucket: Bucket, tmp_path: Path) -> None:
    assert read_pointer(reader(bucket, tmp_path / "nowhere"), DATASET).generation == 1
    assert not (tmp_path / "nowhere").exists()


def test_threads_that_read_while_it_moves_are_never_refused(bucket: Bucket, tmp_path: Path) -> None:
    store = reader(bucket, tmp_path)
    ended, refused = threading.Event(), []

    def read() -> None:
        while not ended.is_set():
            try:
                read_pointer(store, DATASET)
            except SnapshotError as error:
                refused.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    publisher = bucket.publisher("b")
    for n in range(60):
        publisher.announce_progress(n / 60)
    ended.set()
    for thread in threads:
        thread.join()

    assert not refused
