"""Sets that share no object: when one ends, and that each restores without the other."""

from pathlib import Path

from snapshotter.catalog import candidates
from snapshotter.independence import second_set
from snapshotter.retention import Retention, to_go
from tests.snapshotter.bench import Bucket
from tests.snapshotter.images import BytesPart
from tests.snapshotter.test_publish import MAIN, edited
from tests.snapshotter.timed import TimedBucket

DAY = 24


def published(
    bucket: TimedBucket, days: int, *, full_every_days: int, since: int = 0
) -> list[bool]:
    """A snapshot a day; which of them were full."""
    publisher = bucket.publisher(full_every=full_every_days * DAY * 3600.0)
    full = []
    for version in range(since + 1, since + days + 1):
        part = BytesPart(edited(MAIN, version), block_size=512)
        full.append(bucket.publish(publisher, part, version).full)
        bucket.pass_hours(DAY)
    return full


def test_a_snapshot_is_full_when_the_last_full_one_is_too_old() -> None:
    bucket = TimedBucket()

    assert published(bucket, 7, full_every_days=3) == [True, False, False] * 2 + [True]


def test_another_publisher_counts_from_the_same_full_snapshot() -> None:
    bucket = TimedBucket()
    published(bucket, 2, full_every_days=3)

    assert published(bucket, 3, full_every_days=3, since=2) == [False, True, False]


def test_sets_share_no_object() -> None:
    bucket = TimedBucket()
    published(bucket, 6, full_every_days=3)
    headers = [bucket.header(entry.snapshot_id) for entry in bucket.pointer().catalog]
    sets: dict[str, set[str]] = {}
    for header in headers:
        keys = {segment.key for part in header.parts for segment in part.segments}
        sets.setdefault(header.full_id, set()).update(keys, filter(None, header.packs))

    assert len(sets) == 2
    assert not set.intersection(*sets.values())


def test_retention_keeps_a_snapshot_of_two_sets() -> None:
    bucket = TimedBucket()
    published(bucket, 12, full_every_days=3)
    going = to_go(bucket.pointer(), Retention(keep_last=1), bucket.timed.clock)

    kept = [e for e in bucket.pointer().catalog if e not in going]
    assert [entry.version for entry in kept] == [12, 11, 9]
    assert len({entry.full_id for entry in kept}) == 2


def test_a_quarantined_set_is_none_to_rely_on() -> None:
    bucket = TimedBucket()
    published(bucket, 9, full_every_days=3)
    entries = bucket.pointer().catalog

    without = [entry for entry in entries if entry.version not in (4, 5, 6)]
    spare = second_set(candidates(without, bucket.pointer().current))
    assert spare is not None
    assert spare.version == 3


def test_a_set_restores_when_the_packs_of_all_others_are_lost(tmp_path: Path) -> None:
    bucket = Bucket.at(tmp_path / "bucket")
    publisher = bucket.publisher()
    bucket.publish(publisher, MAIN)
    bucket.publish(publisher, edited(MAIN, 1), 2, full=True)
    first = bucket.pointer().catalog[1]
    for key in bucket.objects():
        if first.snapshot_id in key:
            bucket.file(key).unlink()

    assert bucket.restore(tmp_path / "out") == edited(MAIN, 1)
