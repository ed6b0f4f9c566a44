"""Verify: it names each damaged object, and reads as much as it was told to."""

import random
from pathlib import Path

import pytest

from snapshotter import layout
from snapshotter.errors import ObjectMissing, StoreUnreachable
from snapshotter.format import Level
from snapshotter.verify import verify
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import FaultyStore
from tests.snapshotter.images import BLOCK

MAIN = random.Random(7).randbytes(30 * BLOCK) + b"text" * 50_000


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    bucket = Bucket.at(tmp_path / "bucket")
    publisher = bucket.publisher(pack_bytes=16 * BLOCK)
    bucket.publish(publisher, MAIN)
    bucket.publish(publisher, b"!" + MAIN[1:], 2, tail=b"log" * 500)
    return bucket


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def packs(bucket: Bucket) -> list[Path]:
    return [bucket.file(key) for key in bucket.header().packs]


@pytest.mark.parametrize("level", ["fast", "sample", "full"])
def test_a_whole_snapshot_is_whole_at_every_level(bucket: Bucket, level: Level) -> None:
    report = verify(bucket.store, DATASET, level=level)

    assert report.ok
    assert report.snapshot_id == bucket.pointer().current
    assert report.packs == len(packs(bucket))


def test_full_reads_every_block_and_fast_none(bucket: Bucket) -> None:
    header = bucket.header()
    full = verify(bucket.store, DATASET, level="full")

    assert full.blocks == sum(part.block_count for part in header.parts)
    assert full.bytes_read >= header.stored_bytes - 64 * 1024
    assert verify(bucket.store, DATASET).blocks == 0


def test_a_sample_reads_so_many_blocks(bucket: Bucket) -> None:
    assert verify(bucket.store, DATASET, level="sample", samples=7).blocks == 7


def test_a_lost_pack_is_found_fast(bucket: Bucket) -> None:
    key = bucket.header().packs[1]
    bucket.file(key).unlink()

    levels: tuple[Level, ...] = ("fast", "full")
    for level in levels:
        report = verify(bucket.store, DATASET, level=level)
        assert [(one.object, one.what) for one in report.failures] == [(key, "missing")]


def test_a_cut_pack_is_found_fast(bucket: Bucket) -> None:
    path = packs(bucket)[1]
    path.write_bytes(path.read_bytes()[:-1])
    failures = verify(bucket.store, DATASET).failures

    assert [one.object for one in failures] == [str(path.relative_to(bucket.directory))]
    assert "bytes" in failures[0].what


def test_a_flipped_byte_of_a_pack_is_found_in_full_and_named(bucket: Bucket) -> None:
    path = packs(bucket)[1]
    flip(path, 100)

    assert verify(bucket.store, DATASET).ok
    failures = verify(bucket.store, DATASET, level="full").failures
    assert {one.object for one in failures} == {str(path.relative_to(bucket.directory))}
    assert failures[0].what.startswith("main block ")


@pytest.mark.parametrize("name", ["bucket.json", "head.json"])
def test_a_flipped_byte_of_the_pointer_is_found(bucket: Bucket, name: str) -> None:
    flip(bucket.file(f"{DATASET}/{name}"), 100)
    failures = verify(bucket.store, DATASET).failures

    assert len(failures) == 1
    assert name in failures[0].what


def test_a_flipped_byte_of_header_or_map_is_found(bucket: Bucket) -> None:
    current = bucket.pointer().current or ""
    manifest = bucket.file(layout.manifest_key(DATASET, current))
    for at in (40, manifest.stat().st_size - 1):
        flip(manifest, at)
        assert [one.object for one in verify(bucket.store, DATASET).failures] == [
            layout.manifest_key(DATASET, current)
        ]
        flip(manifest, at)


def test_an_older_snapshot_is_verified_by_its_name(bucket: Bucket) -> None:
    older = bucket.pointer().catalog[1].snapshot_id
    newest = packs(bucket)[-1]
    newest.unlink()

    assert verify(bucket.store, DATASET, older, "full").ok
    assert not verify(bucket.store, DATASET, level="full").ok


def test_a_snapshot_that_is_not_listed_is_missing(bucket: Bucket) -> None:
    with pytest.raises(ObjectMissing, match="has no snapshot nobody"):
        verify(bucket.store, DATASET, "nobody")
    with pytest.raises(ObjectMissing):
        verify(bucket.store, "other")


def test_a_store_that_cannot_be_asked_is_no_damage(bucket: Bucket) -> None:
    def down(_: int, name: str, key: str) -> None:
        if "/packs/" in key:
            raise StoreUnreachable("gone")

    with pytest.raises(StoreUnreachable):
        verify(FaultyStore(bucket.store, before=down), DATASET)


def test_progress_is_told_to_the_end(bucket: Bucket) -> None:
    told: list[tuple[int, int]] = []
    report = verify(bucket.store, DATASET, level="full", progress=lambda *done: told.append(done))

    assert told[-1] == (report.bytes_read, report.bytes_read)
