"""Reads that fail, hang or come late: each is done once, and nobody waits for what is stuck."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from restorer.fetch import fetch
from restorer.line import Patience
from restorer.plan import Plan
from snapshotter.errors import ObjectMissing, StoreUnreachable
from tests.restorer.published import Bench, bench, directory_store, noise
from tests.restorer.stores import PATIENT, WatchedStore
from tests.snapshotter.images import BytesPart

READ_BYTES = 64 * 1024
CONTENT = noise(16 * READ_BYTES)
SOON = Patience(factor=2.0, least_seconds=0.2, unknown_seconds=0.2)
LONG_SECONDS = 120


@pytest.fixture
def source(tmp_path: Path) -> Bench:
    return bench(directory_store(tmp_path / "bucket"))


@pytest.fixture
def plan(source: Bench, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr("restorer.plan.READ_BYTES", READ_BYTES)
    return source.plan(source.publish(BytesPart(CONTENT)))


class Asked:
    """Counts reads by their offset, and does something before some of them."""

    def __init__(self, before: Callable[[int, int], None]) -> None:
        self.reads: Counter[int] = Counter()
        self._before = before
        self._lock = threading.Lock()

    def __call__(self, offset: int) -> None:
        with self._lock:
            self.reads[offset] += 1
            count = self.reads[offset]
        self._before(offset, count)


def test_a_read_that_hangs_is_asked_for_again_and_not_waited_for(
    source: Bench, plan: Plan, tmp_path: Path
) -> None:
    released = threading.Event()

    def hang(offset: int, count: int) -> None:
        if offset and offset % (4 * READ_BYTES) < READ_BYTES and count == 1:
            released.wait(LONG_SECONDS)

    asked = Asked(hang)
    try:
        done = fetch(
            WatchedStore(source.store, asked), plan, [tmp_path / "main"], threads=4, patience=SOON
        )
        assert not released.is_set()
    finally:
        released.set()

    assert (tmp_path / "main").read_bytes() == CONTENT
    assert done.bytes_fetched == plan.download_bytes
    assert max(asked.reads.values()) == 2


def test_when_all_reads_hang_at_first_the_restore_goes_on(
    source: Bench, plan: Plan, tmp_path: Path
) -> None:
    released = threading.Event()

    def hang(_offset: int, count: int) -> None:
        if count == 1:
            released.wait(0.5)

    fetch(
        WatchedStore(source.store, Asked(hang)), plan, [tmp_path / "main"], threads=2, patience=SOON
    )

    assert (tmp_path / "main").read_bytes() == CONTENT


def test_a_refused_read_is_repeated_and_no_other(source: Bench, plan: Plan, tmp_path: Path) -> None:
    def refuse(offset: int, count: int) -> None:
        if offset < READ_BYTES and count < 3:
            raise StoreUnreachable("SlowDown")

    asked = Asked(refuse)
    store = WatchedStore(source.store, asked)

    fetch(store, plan, [tmp_path / "main"], threads=4, patience=PATIENT)

    assert (tmp_path / "main").read_bytes() == CONTENT
    assert sorted(asked.reads.values()) == [1] * (len(asked.reads) - 1) + [3]


def test_what_is_refused_for_good_ends_the_fetch_with_what_the_store_said(
    source: Bench, plan: Plan, tmp_path: Path
) -> None:
    def refuse(offset: int, _count: int) -> None:
        if offset >= 8 * READ_BYTES:
            raise StoreUnreachable("SlowDown")

    asked = Asked(refuse)
    store = WatchedStore(source.store, asked)

    with pytest.raises(StoreUnreachable, match="SlowDown"):
        fetch(store, plan, [tmp_path / "main"], threads=2, patience=PATIENT)

    assert max(asked.reads.values()) == 3
    assert (tmp_path / "main").read_bytes()[:READ_BYTES] == CONTENT[:READ_BYTES]


def test_any_error_of_a_thread_is_raised_where_the_fetch_was_asked_for(
    source: Bench, plan: Plan, tmp_path: Path
) -> None:
    def fail(offset: int, _count: int) -> None:
        if offset >= 8 * READ_BYTES:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch(WatchedStore(source.store, Asked(fail)), plan, [tmp_path / "main"], threads=3)


def test_what_is_read_and_not_yet_written_is_bounded(
    source: Bench, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restorer.line.MOST_BYTES", 2 * READ_BYTES)
    lock, under_way = threading.Lock(), Counter[str]()
    arrived = threading.Event()

    def note(_offset: int, _count: int) -> None:
        with lock:
            under_way["now"] += 1
            under_way["most"] = max(under_way["most"], under_way["now"])
        arrived.wait(0.05)
        with lock:
            under_way["now"] -= 1

    store = WatchedStore(source.store, Asked(note))

    fetch(store, plan, [tmp_path / "main"], threads=8, patience=PATIENT)

    assert (tmp_path / "main").read_bytes() == CONTENT
    # The last one begins while a little less than the bound is held.
    assert 2 <= under_way["most"] <= 3


def test_an_object_that_is_missing_ends_the_fetch_without_waiting_for_its_answer(
    source: Bench, plan: Plan, tmp_path: Path
) -> None:
    def missing(_offset: int, _count: int) -> None:
        raise ObjectMissing("not there")

    store, ended = WatchedStore(source.store, Asked(missing)), threading.Event()

    def run() -> None:
        with pytest.raises(ObjectMissing):
            fetch(store, plan, [tmp_path / "main"], patience=Patience(unknown_seconds=600))
        ended.set()

    threading.Thread(target=run, daemon=True).start()

    assert ended.wait(LONG_SECONDS / 2)
