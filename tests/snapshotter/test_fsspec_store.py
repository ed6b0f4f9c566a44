"""Stores through fsspec that are not in memory: they read and write, and refuse conditions."""

import importlib.util
from pathlib import Path

import pytest

from snapshotter.errors import Corrupt, ObjectMissing, StoreRefused
from snapshotter.fsspec_store import FsspecStore
from snapshotter.location import Location
from snapshotter.stores import StoreParams, open_store, probe


@pytest.fixture
def store(tmp_path: Path) -> FsspecStore:
    """fsspec's local files stand in for a bucket: the adapter sees no difference."""
    (tmp_path / "a").mkdir()
    return FsspecStore(Location("local", "", str(tmp_path).strip("/")))


def test_objects_are_written_read_listed_and_deleted(store: FsspecStore) -> None:
    store.put("a/one", b"0123456789")
    store.put("a/two", b"")

    assert store.get("a/one", max_bytes=10).data == b"0123456789"
    assert store.get_range("a/one", 3, 4) == b"3456"
    assert [info.key for info in store.list("a/")] == ["a/one", "a/two"]
    facts = store.head("a/one")
    assert facts is not None
    assert facts.size == 10
    assert facts.etag
    store.delete("a/one")
    store.delete("a/one")
    assert store.head("a/one") is None


def test_a_short_range_is_corrupt_and_a_missing_object_missing(store: FsspecStore) -> None:
    store.put("a/one", b"01")

    with pytest.raises(Corrupt):
        store.get_range("a/one", 1, 5)
    with pytest.raises(Corrupt):
        store.get("a/one", max_bytes=1)
    with pytest.raises(ObjectMissing):
        store.get("a/two", max_bytes=1)


def test_conditional_writes_are_refused_and_not_imitated(store: FsspecStore) -> None:
    store.put("a/one", b"01")

    with pytest.raises(StoreRefused, match="conditional writes are not supported"):
        store.put_if_absent("a/two", b"")
    with pytest.raises(StoreRefused, match="conditional writes are not supported"):
        store.put_if_match("a/one", b"", "etag")
    assert [info.key for info in store.list("a/")] == ["a/one"]


def test_the_probe_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    result = probe(FsspecStore(Location("local", "", str(tmp_path).strip("/"))))

    assert {check.name for check in result.failures} == {
        "put-if-absent",
        "put-if-match",
        "put-if-absent race",
        "put-if-match race",
        "lease",
    }


@pytest.mark.parametrize("scheme, package", [("gs", "gcsfs"), ("abfs", "adlfs")])
def test_a_package_that_is_not_installed_is_named(scheme: str, package: str) -> None:
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")

    with pytest.raises(StoreRefused, match=package) as caught:
        open_store(f"{scheme}://bucket/place", StoreParams())

    assert caught.value.hint == f"pip install {package}"


def test_memory_is_shared_by_all_who_open_it_in_this_process() -> None:
    open_store("memory://shared/place", StoreParams()).put("a", b"1")

    assert open_store("memory://shared/place", StoreParams()).get("a", max_bytes=1).data == b"1"
    assert open_store("memory://shared/other", StoreParams()).head("a") is None
