"""What a directory adds to the contract: links, rights, crashes, foreign files."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snapshotter import file_store
from snapshotter.errors import (
    Corrupt,
    ObjectMissing,
    StoreAccessDenied,
    StoreRefused,
    StoreUnreachable,
)
from snapshotter.store import ObjectStore
from snapshotter.stores import StoreParams, open_store

needs_rights = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "place"


@pytest.fixture
def store(place: Path) -> ObjectStore:
    return open_store(f"file://{place}", StoreParams())


def names(place: Path) -> list[str]:
    return sorted(str(file.relative_to(place)) for file in place.rglob("*") if file.is_file())


def test_the_directory_comes_into_being_with_the_first_write(
    store: ObjectStore, place: Path
) -> None:
    assert list(store.list("")) == []
    assert not place.exists()

    store.put("a/b/object", b"data")

    assert (place / "a/b/object").read_bytes() == b"data"


def test_nothing_is_left_over_but_the_lock(store: ObjectStore, place: Path) -> None:
    store.put("a", b"1")
    store.put_if_absent("b", b"2")
    with pytest.raises(Exception, match="exists"):
        store.put_if_absent("b", b"3")

    assert names(place) == [".snowmelt/lock", "a", "b"]


def test_what_a_dead_writer_left_is_removed_after_a_day(store: ObjectStore, place: Path) -> None:
    private = place / ".snowmelt"
    private.mkdir(parents=True)
    old, young = private / "write-1-old", private / "write-2-young"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))

    store.put("a", b"1")

    assert names(place) == [".snowmelt/lock", ".snowmelt/write-2-young", "a"]


def test_the_private_directory_is_no_place_for_objects(store: ObjectStore) -> None:
    with pytest.raises(StoreRefused):
        store.put(".snowmelt/lock", b"")
    store.put("a", b"1")

    assert [info.key for info in store.list("")] == ["a"]


def test_no_link_leads_out_of_the_directory(
    store: ObjectStore, place: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"secret")
    store.put("a", b"1")
    (place / "linked").symlink_to(outside)
    (place / "file").symlink_to(outside / "file")

    for key in ("linked/file", "file"):
        with pytest.raises(StoreRefused, match="symbolic link"):
            store.get(key, max_bytes=100)
        with pytest.raises(StoreRefused, match="symbolic link"):
            store.put(key, b"overwritten")
    with pytest.raises(StoreRefused, match="symbolic link"):
        list(store.list("linked/"))
    assert [info.key for info in store.list("")] == ["a"]
    assert (outside / "file").read_bytes() == b"secret"


def test_a_location_may_be_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    open_store(f"file://{tmp_path}/link", StoreParams()).put("a", b"1")

    assert (tmp_path / "real/a").read_bytes() == b"1"


def test_a_pipe_is_no_object_and_nobody_waits_for_its_writer(
    store: ObjectStore, place: Path
) -> None:
    store.put("a", b"1")
    os.mkfifo(place / "pipe")

    with pytest.raises(ObjectMissing):
        store.get("pipe", max_bytes=1)
    assert store.head("pipe") is None
    assert [info.key for info in store.list("")] == ["a"]


def test_an_object_cannot_have_objects_below_it(store: ObjectStore) -> None:
    store.put("a", b"1")

    with pytest.raises(StoreRefused):
        store.put("a/b", b"2")


def test_a_directory_is_no_object(store: ObjectStore) -> None:
    store.put("a/b", b"1")

    assert store.head("a") is None
    with pytest.raises(ObjectMissing):
        store.get("a", max_bytes=1)
    with pytest.raises(StoreRefused):
        store.put("a", b"2")


def test_deleting_the_last_object_deletes_its_directories(store: ObjectStore, place: Path) -> None:
    store.put("a/b/c", b"1")
    store.put("a/d", b"1")

    store.delete("a/b/c")
    assert not (place / "a/b").exists()
    store.delete("a/d")
    assert not (place / "a").exists()
    assert place.exists()


def test_a_version_with_the_same_bytes_is_another_version(store: ObjectStore) -> None:
    first = store.put("head", b"same")
    second = store.put("head", b"same")

    assert first != second


def test_a_file_that_is_cut_short_by_hand_is_corrupt(store: ObjectStore, place: Path) -> None:
    store.put("object", b"0123456789")
    os.truncate(place / "object", 4)

    with pytest.raises(Corrupt):
        store.get_range("object", 0, 10)


@needs_rights
def test_a_directory_that_may_not_be_written_is_denied(store: ObjectStore, place: Path) -> None:
    store.put("a/b", b"1")
    (place / "a").chmod(0o500)
    try:
        with pytest.raises(StoreAccessDenied, match="a/c"):
            store.put("a/c", b"2")
    finally:
        (place / "a").chmod(0o700)


def test_a_full_disk_is_said_to_be_full(store: ObjectStore, place: Path) -> None:
    # /dev/full is the kernel's own full disk; a limit on file size is the nearest for a directory.
    script = (
        "import resource, signal, sys\n"
        "from snapshotter.stores import StoreParams, open_store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    open_store(sys.argv[1], StoreParams()).put('big', bytes(5000))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error.hint, sep='|')\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, f"file://{place}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    assert said.strip() == "StoreUnreachable|free space or enlarge the volume"
    assert names(place) == []


def test_a_lock_that_nobody_gives_back_ends_in_an_error(
    store: ObjectStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"1")
    monkeypatch.setattr(file_store, "_LOCK_SECONDS", 0.1)

    with (place / ".snowmelt/lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreUnreachable, match="locked"):
            store.put("a", b"2")

    store.put("a", b"3")
    assert store.get("a", max_bytes=1).data == b"3"
