"""What every object store promises, asked of files, memory, SeaweedFS and moto alike."""

import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from snapshotter.errors import (
    Corrupt,
    ObjectMissing,
    PreconditionFailed,
    SnapshotError,
    StoreRefused,
)
from snapshotter.store import ObjectStore, StoredObject
from snapshotter.stores import StoreParams, open_store, probe
from tests.servers.moto import MotoServer
from tests.servers.seaweedfs import SeaweedFS

_numbers = itertools.count(1)
ROOM = 10_000  # bytes; more than any object here has
LAYOUT_KEYS = [
    "pipelines/bucket.json",
    "pipelines/head.json",
    "pipelines/packs/0f/3-000001-12.pack",
    "pipelines/packs/a7/3-000001-2.pack",
    "pipelines/snapshots/3-17-20260801T120000Z/manifest",
    "table.with_dots~and=signs/head.json",
]


@cache  # a bucket of SeaweedFS takes a second to make; the place in it is new for each test
def _bucket(server: SeaweedFS | MotoServer) -> str:
    if isinstance(server, SeaweedFS):
        return server.bucket("contract")
    server.client("s3").create_bucket(Bucket="contract")
    return "contract"


SEAWEEDFS = pytest.param("seaweedfs", marks=pytest.mark.seaweedfs)


@pytest.fixture(params=["file", "memory", SEAWEEDFS, "moto"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], ObjectStore]:
    """Opens one and the same place again and again, as another process would."""
    kind = request.param
    if kind == "file":
        url, params = f"file://{tmp_path}/objects", StoreParams()
    elif kind == "memory":
        url, params = f"memory://contract-{next(_numbers)}/place", StoreParams()
    else:
        server = request.getfixturevalue("seaweedfs" if kind == "seaweedfs" else "moto_server")
        url = f"s3://{_bucket(server)}/some/place-{next(_numbers)}"
        params = StoreParams(
            auth="key",
            key=server.access_key,
            secret=server.secret_key,
            region=server.region,
            endpoint=server.endpoint_url,
        )
    return lambda: open_store(url, params)


@pytest.fixture
def store(opener: Callable[[], ObjectStore]) -> ObjectStore:
    return opener()


def race(count: int, write: Callable[[int], str]) -> list[int]:
    """The numbers of those that won, of `count` who started together."""
    gate = threading.Barrier(count)

    def run(number: int) -> bool:
        gate.wait(timeout=90)
        try:
            write(number)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(count) as pool:
        return [number for number, won in enumerate(pool.map(run, range(count))) if won]


def test_what_was_written_is_read(store: ObjectStore) -> None:
    data = random.Random(1).randbytes(5_000)
    etag = store.put("a/object", data)

    stored = store.get("a/object", max_bytes=ROOM)

    assert stored.data == data
    assert stored.etag == etag


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put("empty", b"")

    assert store.get("empty", max_bytes=0).data == b""


def test_a_write_is_seen_by_whoever_opens_the_place_next(
    opener: Callable[[], ObjectStore],
) -> None:
    writer, reader = opener(), opener()
    for version in range(5):
        writer.put("head.json", b"%d" % version)

        assert reader.get("head.json", max_bytes=ROOM).data == b"%d" % version


@pytest.mark.parametrize("key", LAYOUT_KEYS)
def test_keys_of_the_layout_are_kept_letter_by_letter(store: ObjectStore, key: str) -> None:
    store.put(key, key.encode())

    assert store.get(key, max_bytes=ROOM).data == key.encode()
    assert [info.key for info in store.list("")] == [key]


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../../b", "./a", "a\nb", "a\\b"]
)
def test_a_key_that_could_lead_elsewhere_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(StoreRefused):
        store.put(key, b"x")
    with pytest.raises(StoreRefused):
        store.get(key, max_bytes=ROOM)


def test_a_missing_object_is_missing_in_every_way_of_asking(store: ObjectStore) -> None:
    assert store.head("nothing") is None
    with pytest.raises(ObjectMissing, match="nothing"):
        store.get("nothing", max_bytes=ROOM)
    with pytest.raises(ObjectMissing, match="nothing"):
        store.get_range("nothing", 0, 1)
    with pytest.raises(ObjectMissing, match="nothing"):
        store.read_into("nothing", 0, memoryview(bytearray(1)))


def test_facts_are_those_of_the_object(store: ObjectStore) -> None:
    etag = store.put("object", b"12345")

    facts = store.head("object")

    assert facts is not None
    assert (facts.key, facts.size, facts.etag) == ("object", 5, etag)
    assert abs(facts.modified_at - store.now()) < 60


def test_an_object_above_the_bound_is_not_taken_in(store: ObjectStore) -> None:
    store.put("object", b"x" * 101)

    with pytest.raises(Corrupt, match="101"):
        store.get("object", max_bytes=100)


@pytest.mark.parametrize("offset, size", [(0, 1), (0, 100), (37, 20), (99, 1), (50, 0)])
def test_a_range_is_exactly_what_was_asked_for(store: ObjectStore, offset: int, size: int) -> None:
    data = bytes(range(100))
    store.put("object", data)

    assert store.get_range("object", offset, size) == data[offset : offset + size]
    into = bytearray(b"#" * 110)
    store.read_into("object", offset, memoryview(into)[3 : 3 + size])
    assert into == b"###" + data[offset : offset + size] + b"#" * (107 - size)


@pytest.mark.parametrize("offset, size", [(0, 101), (90, 11), (100, 1), (500, 10)])
def test_a_range_beyond_the_end_is_corrupt_and_not_short(
    store: ObjectStore, offset: int, size: int
) -> None:
    store.put("object", bytes(100))

    with pytest.raises(Corrupt):
        store.get_range("object", offset, size)
    with pytest.raises(Corrupt):
        store.read_into("object", offset, memoryview(bytearray(size)))


def test_a_listing_has_the_order_of_whole_keys(store: ObjectStore) -> None:
    keys = ["A", "a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a0", "a_", "z"]
    for key in random.Random(2).sample(keys, len(keys)):
        store.put(key, key.encode())

    listed = list(store.list(""))

    assert [info.key for info in listed] == keys
    assert [info.size for info in listed] == [len(key) for key in keys]
    assert all(info.etag for info in listed)


def test_a_listing_starts_with_its_prefix_and_nothing_else(store: ObjectStore) -> None:
    for key in ("packs/01/a", "packs/01/b", "packs/02/a", "packs-old", "other"):
        store.put(key, b"x")

    assert [info.key for info in store.list("packs/01/")] == ["packs/01/a", "packs/01/b"]
    assert [info.key for info in store.list("packs/0")] == [
        "packs/01/a",
        "packs/01/b",
        "packs/02/a",
    ]
    assert next(info.key for info in store.list("pa")) == "packs-old"
    assert list(store.list("nowhere/")) == []


# moto takes ten seconds to write so many, and has no other pages than S3.
@pytest.mark.parametrize("opener", ["file", "memory", SEAWEEDFS], indirect=True)
def test_a_listing_is_longer_than_one_page(store: ObjectStore) -> None:
    keys = [f"many/{number:04}" for number in range(1_005)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b""), keys))

    assert [info.key for info in store.list("many/")] == keys


def test_deleting_twice_is_deleting_once(store: ObjectStore) -> None:
    store.put("a/object", b"x")

    store.delete("a/object")
    store.delete("a/object")

    assert store.head("a/object") is None
    assert list(store.list("")) == []


def test_the_second_to_take_a_free_key_loses(store: ObjectStore) -> None:
    etag = store.put_if_absent("bucket.json", b"first")

    with pytest.raises(PreconditionFailed, match=r"bucket\.json"):
        store.put_if_absent("bucket.json", b"second")

    assert store.get("bucket.json", max_bytes=ROOM).data == b"first"
    assert store.get("bucket.json", max_bytes=ROOM).etag == etag


def test_a_key_that_was_deleted_is_free_again(store: ObjectStore) -> None:
    store.put_if_absent("lease.json", b"first")
    store.delete("lease.json")

    store.put_if_absent("lease.json", b"second")

    assert store.get("lease.json", max_bytes=ROOM).data == b"second"


def test_a_pointer_moves_from_etag_to_etag(store: ObjectStore) -> None:
    etag = store.put("head.json", b"0")
    for version in range(1, 4):
        etag = store.put_if_match("head.json", b"%d" % version, etag)

    assert store.get("head.json", max_bytes=ROOM).data == b"3"


def test_what_has_this_etag_still_is_not_given_again(store: ObjectStore) -> None:
    etag = store.put("head.json", b"one")
    assert store.get_changed("head.json", etag, max_bytes=ROOM) is None
    newer = store.put_if_match("head.json", b"two", etag)

    given = store.get_changed("head.json", etag, max_bytes=ROOM)

    assert given == StoredObject(b"two", newer)
    assert store.get_changed("head.json", newer, max_bytes=ROOM) is None
    with pytest.raises(Corrupt, match="more than the 2 allowed"):
        store.get_changed("head.json", etag, max_bytes=2)
    store.delete("head.json")
    with pytest.raises(ObjectMissing):
        store.get_changed("head.json", newer, max_bytes=ROOM)


def test_an_old_etag_moves_nothing(store: ObjectStore) -> None:
    old = store.put("head.json", b"old")
    store.put_if_match("head.json", b"new", old)

    with pytest.raises(PreconditionFailed, match=r"head\.json"):
        store.put_if_match("head.json", b"other", old)

    assert store.get("head.json", max_bytes=ROOM).data == b"new"


def test_an_etag_matches_no_missing_object(store: ObjectStore) -> None:
    etag = store.put("head.json", b"x")
    store.delete("head.json")

    with pytest.raises(PreconditionFailed):
        store.put_if_match("head.json", b"y", etag)


def test_of_sixteen_who_take_one_key_exactly_one_wins(
    opener: Callable[[], ObjectStore],
) -> None:
    stores = [opener() for _ in range(4)]

    winners = race(16, lambda number: stores[number % 4].put_if_absent("lease", b"%d" % number))

    assert len(winners) == 1
    assert stores[0].get("lease", max_bytes=ROOM).data == b"%d" % winners[0]


def test_of_sixteen_who_replace_one_version_exactly_one_wins(
    opener: Callable[[], ObjectStore],
) -> None:
    stores = [opener() for _ in range(4)]
    etag = stores[0].put("head", b"before")

    winners = race(16, lambda number: stores[number % 4].put_if_match("head", b"%d" % number, etag))

    assert len(winners) == 1
    assert stores[0].get("head", max_bytes=ROOM).data == b"%d" % winners[0]


def test_increments_by_compare_and_swap_are_all_counted(store: ObjectStore) -> None:
    store.put_if_absent("counter", b"0")

    def increment(_: int) -> None:
        for _attempt in range(200):
            current = store.get("counter", max_bytes=ROOM)
            try:
                store.put_if_match("counter", b"%d" % (int(current.data) + 1), current.etag)
            except PreconditionFailed:
                continue
            return
        pytest.fail("never won")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(increment, range(16)))

    assert store.get("counter", max_bytes=ROOM).data == b"16"


def test_a_reader_sees_the_old_object_or_the_new_one(store: ObjectStore) -> None:
    versions = [bytes([65 + number]) * 4_000 for number in range(10)]
    store.put("object", versions[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while True:  # once at least, however late it begins
            seen.add(store.get("object", max_bytes=ROOM).data)
            if done.is_set():
                return

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        store.put("object", version)
    done.set()
    reader.join(timeout=90)

    assert seen
    assert seen <= set(versions)


def test_the_store_tells_the_time(store: ObjectStore) -> None:
    store.put("object", b"x")

    assert abs(store.now() - time.time()) < 60


def test_its_url_names_the_place_and_no_secret(store: ObjectStore) -> None:
    assert "://" in store.url
    assert "secret" not in store.url


def test_messages_are_one_line_with_a_hint(store: ObjectStore) -> None:
    with pytest.raises(SnapshotError) as caught:
        store.get("missing/object", max_bytes=ROOM)

    assert "\n" not in str(caught.value)
    assert store.url in str(caught.value)
    assert caught.value.hint


def test_the_probe_finds_every_ability_and_leaves_nothing_behind(store: ObjectStore) -> None:
    result = probe(store)

    assert result.ok, result.summary()
    assert [check.name for check in result.checks][-1] == "delete"
    assert list(store.list("")) == []
