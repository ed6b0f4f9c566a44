"""A versioned bucket is read as it was, after deletions and an attack; digests prove the rest."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from restorer.errors import NoFallbackLeft, NothingToRestore
from restorer.facts import Policy
from restorer.restore import RestoreReport, RestoreRequest, restore
from snapshotter.errors import ObjectMissing, StoreRefused
from snapshotter.location import StoreParams
from snapshotter.store import ObjectStore
from snapshotter.stores import open_past_store
from tests.restorer.accelerators import DATASET, Producer, plain_rows, rows_of
from tests.restorer.versioned import Versioned, versioned
from tests.servers.moto import MotoServer
from tests.servers.seaweedfs import SeaweedFS

_numbers = count(1)
OPERATOR = RestoreRequest(Policy(role="operator", allow_bootstrap=False))


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Versioned:
    """Of moto; of SeaweedFS where a test asks for both."""
    if getattr(request, "param", "moto") == "moto":
        moto: MotoServer = request.getfixturevalue("moto_server")
        s3, name = moto.client("s3"), f"past-{next(_numbers)}"
        s3.create_bucket(Bucket=name)
        return versioned(moto, s3, name)
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    return versioned(server, server.s3(), server.bucket("past"))


both = pytest.mark.parametrize("bucket", ["moto", "seaweedfs"], indirect=True)


@pytest.fixture
def centre(bucket: Versioned, tmp_path: Path) -> Iterator[Producer]:
    producer = Producer(bucket.store(), tmp_path / "centre.sqlite", "sqlite")
    producer.put(0, 200, seed=1)
    producer.publish()
    yield producer
    producer.close()


def restored(store: ObjectStore, target: Path) -> RestoreReport:
    return restore(store, DATASET, target, OPERATOR)


@both
def test_it_is_read_as_it_was_after_an_attack(
    bucket: Versioned, centre: Producer, tmp_path: Path
) -> None:
    before = bucket.next_second()
    centre.put(0, 200, seed=2)
    centre.publish()
    bucket.overwrite("")
    bucket.delete()

    restored(bucket.past(before), tmp_path / "copy")

    assert plain_rows(tmp_path / "copy", "sqlite") == rows_of(0, 200, seed=1)
    with pytest.raises(NothingToRestore):
        restored(bucket.store(), tmp_path / "other")


@both
def test_the_newest_before_the_attack_is_found_too(
    bucket: Versioned, centre: Producer, tmp_path: Path
) -> None:
    centre.put(0, 200, seed=2)
    centre.publish()
    before = bucket.next_second()
    bucket.overwrite("head.json")
    bucket.delete("manifest")

    restored(bucket.past(before), tmp_path / "copy")

    assert plain_rows(tmp_path / "copy", "sqlite") == rows_of(0, 200, seed=2)


def test_packs_that_were_overwritten_before_that_time_are_read_as_they_were_published(
    bucket: Versioned, centre: Producer, tmp_path: Path
) -> None:
    bucket.overwrite(".pack")

    report = restored(bucket.past(bucket.next_second()), tmp_path / "copy")

    assert report.row_count == 200


def test_a_pointer_that_somebody_wrote_is_refused_and_an_earlier_time_is_not(
    bucket: Versioned, centre: Producer, tmp_path: Path
) -> None:
    before = bucket.next_second()
    bucket.overwrite("head.json")

    with pytest.raises(Exception, match=r"head\.json") as refused:
        restored(bucket.past(bucket.next_second()), tmp_path / "copy")

    assert refused.value.exit_code == 5  # type: ignore[attr-defined]  # all of ours have one
    assert restored(bucket.past(before), tmp_path / "copy").row_count == 200


def test_versions_that_were_deleted_themselves_are_gone(
    bucket: Versioned, centre: Producer, tmp_path: Path
) -> None:
    before = bucket.next_second()
    for each in bucket.s3.list_object_versions(Bucket=bucket.name)["Versions"]:
        if each["Key"].endswith(".pack"):
            where = {"Bucket": bucket.name, "Key": each["Key"]}
            bucket.s3.delete_object(**where, VersionId=each["VersionId"])

    with pytest.raises((NoFallbackLeft, NothingToRestore)):
        restored(bucket.past(before), tmp_path / "copy")


def test_before_the_first_snapshot_there_is_none(bucket: Versioned, centre: Producer) -> None:
    past = bucket.past(bucket.next_second() - 3600)

    with pytest.raises(ObjectMissing, match="no version of that time"):
        past.get(f"{DATASET}/head.json", max_bytes=1000)
    assert past.head(f"{DATASET}/head.json") is None


def test_the_past_is_not_written(bucket: Versioned, centre: Producer) -> None:
    past = bucket.past(0.0)

    for write in (
        lambda: past.put("a", b""),
        lambda: past.put_if_absent("a", b""),
        lambda: past.put_if_match("a", b"", "etag"),
        lambda: past.delete("a"),
    ):
        with pytest.raises(StoreRefused, match="only read"):
            write()


def test_a_folder_keeps_no_versions(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="keeps no versions"):
        open_past_store(f"file://{tmp_path}", StoreParams(), 0.0)
