"""Signs of life of a writer, on a clock of the test's own; a store that is away for a while."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from restorer.facts import Policy
from restorer.restore import RestoreRequest
from snapshotter import layout, lease_json
from snapshotter.errors import StoreUnreachable
from snapshotter.file_store import FileStore
from snapshotter.lease import Lease
from snapshotter.location import parse_location
from snapshotter.publish import Publisher
from snapshotter.store import ObjectStore, StoredObject
from snowmelt.awaiting import WriterWatch
from snowmelt.errors import WaitTimedOut
from snowmelt.operator import Target
from snowmelt.restoring import restore_target
from tests.restorer.accelerators import DATASET, Producer
from tests.restorer.published import directory_store

LEASE = Lease(
    DATASET,
    holder="host/1",
    holder_id="0" * 32,
    session="1" * 16,
    generation=1,
    renewals=1,
    lease_seconds=30.0,
    is_released=False,
)


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class AwayStore(FileStore):
    """A directory that answers nothing the first few times it is asked."""

    def __init__(self, store: ObjectStore, times: int) -> None:
        super().__init__(parse_location(store.url))
        self.times_left = times

    def get(self, key: str, *, max_bytes: int) -> StoredObject:
        if self.times_left > 0:
            self.times_left -= 1
            raise StoreUnreachable(f"{self.url} is away", hint="bring it back")
        return super().get(key, max_bytes=max_bytes)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return directory_store(tmp_path / "bucket")


def renew(store: ObjectStore, renewals: int) -> None:
    lease = replace(LEASE, renewals=renewals)
    store.put(layout.lease_key(DATASET), lease_json.encode_lease(lease, "blake3"))


def test_silence_is_counted_from_the_last_change_that_was_seen(store: ObjectStore) -> None:
    clock = Clock()
    watch = WriterWatch(store, DATASET, clock)
    writer = Publisher(store, DATASET, holder="test")
    writer.take_over()
    watch.look()  # what is found there says nothing of now
    clock.seconds += 50
    watch.look()
    assert watch.silent_seconds == 50
    assert watch.line == "waiting: no sign of life of a writer"

    writer.announce_progress(0.43)
    watch.look()
    assert watch.silent_seconds == 0
    assert watch.line == "waiting: writer bootstrapping 43 %"
    clock.seconds += 7
    watch.look()
    assert watch.silent_seconds == 7


def test_a_lease_that_is_renewed_is_a_sign_of_life_too(store: ObjectStore) -> None:
    clock = Clock()
    watch = WriterWatch(store, DATASET, clock)
    Publisher(store, DATASET, holder="test").take_over()
    renew(store, 1)
    watch.look()
    clock.seconds += 50
    renew(store, 2)
    watch.look()

    assert watch.silent_seconds == 0
    assert watch.line == "waiting: the writer lives, and has published nothing that can be taken"


def test_a_store_that_does_not_answer_is_no_sign_of_life(store: ObjectStore) -> None:
    clock = Clock()
    watch = WriterWatch(AwayStore(store, times=1), DATASET, clock)
    clock.seconds += 5
    watch.look()

    assert not watch.is_answered
    assert watch.silent_seconds == 5
    assert watch.line.startswith("waiting: ")
    watch.look()
    assert watch.is_answered


def waiting_for(store: ObjectStore, path: Path, patience_seconds: float) -> str | None:
    request = RestoreRequest(Policy(role="edge", allow_bootstrap=False))
    report = restore_target(Target(store, DATASET, path, request), patience_seconds, "none")
    return report.snapshot_id


def test_a_store_that_comes_back_is_waited_for(store: ObjectStore, tmp_path: Path) -> None:
    producer = Producer(store, tmp_path / "centre.sqlite", "sqlite")
    producer.put(0, 10)
    published = producer.publish()
    producer.close()

    assert waiting_for(AwayStore(store, times=2), tmp_path / "copy", 300.0) == published


def test_a_store_that_stays_away_ends_the_wait_and_is_named(
    store: ObjectStore, tmp_path: Path
) -> None:
    with pytest.raises(WaitTimedOut, match="is away") as ended:
        waiting_for(AwayStore(store, times=1000), tmp_path / "copy", 0.1)

    assert ended.value.exit_code == 13
