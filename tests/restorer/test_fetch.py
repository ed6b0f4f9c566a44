"""Fetching restores the bytes, and nothing but the bytes that their digests promise."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdc.errors import FileUnusable
from restorer.errors import NoSpace
from restorer.fetch import fetch
from restorer.part_file import PartFile, write_failed
from restorer.plan import Plan
from restorer.seed import take_stock
from restorer.writing import Unpacker
from snapshotter.errors import Corrupt, ObjectMissing, StoreUnreachable
from snapshotter.store import ObjectInfo
from tests.restorer.published import Bench, bench, directory_store, mixed, noise
from tests.restorer.stores import PATIENT, FlakyStore
from tests.snapshotter.images import BLOCK, BytesPart


@pytest.fixture
def source(tmp_path: Path) -> Bench:
    return bench(directory_store(tmp_path / "bucket"))


def fetched(source: Bench, plan: Plan, directory: Path, threads: int = 8) -> list[bytes]:
    directory.mkdir()
    files = [directory / part.name for part in plan.header.parts]
    fetch(source.store, plan, files, threads=threads)
    return [file.read_bytes() for file in files]


def packs(source: Bench) -> list[ObjectInfo]:
    return [info for info in source.store.list("flights/packs/") if info.size]


def test_the_files_are_what_was_frozen(source: Bench, tmp_path: Path) -> None:
    main, tail = mixed(5000, BLOCK) + b"a short last block", noise(123_457, seed=2)
    plan = source.plan(source.publish(BytesPart(main), tail=tail))

    assert fetched(source, plan, tmp_path / "out") == [main, tail]


def test_a_preamble_and_large_blocks_come_back(source: Bench, tmp_path: Path) -> None:
    main = noise(12_288 + 40 * 262_144)
    plan = source.plan(source.publish(BytesPart(main, block_size=262_144, preamble=12_288)))

    assert fetched(source, plan, tmp_path / "out") == [main]


def test_blocks_of_many_snapshots_meet_in_one_file(source: Bench, tmp_path: Path) -> None:
    main = bytearray(mixed(400, BLOCK))
    snapshot_id = source.publish(BytesPart(bytes(main)))
    for round_ in range(5):
        at = (round_ * 67 + 11) * BLOCK
        main[at : at + 3 * BLOCK] = noise(3 * BLOCK, seed=round_)
        snapshot_id = source.publish(BytesPart(bytes(main)))

    assert fetched(source, source.plan(snapshot_id), tmp_path / "out") == [bytes(main)]


def test_holes_stay_sparse(source: Bench, tmp_path: Path) -> None:
    main = noise(1000 * BLOCK)
    plan = source.plan(source.publish(BytesPart(main, used=frozenset({0, 999}))))

    (restored,) = fetched(source, plan, tmp_path / "out")

    assert restored == main[:BLOCK] + bytes(998 * BLOCK) + main[-BLOCK:]
    assert (tmp_path / "out" / "main").stat().st_blocks * 512 < 100 * BLOCK


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_used_blocks_of_any_file_come_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("law")
    source = bench(directory_store(directory / "bucket"))
    size = data.draw(st.integers(1, 40 * BLOCK))
    preamble = data.draw(st.sampled_from([0, 512]))
    content = mixed(41, BLOCK, seed=data.draw(st.integers(0, 99)))[:size]
    numbers = st.integers(0, (size - 1) // BLOCK)
    used = data.draw(st.none() | st.frozensets(numbers))
    part = BytesPart(content, preamble=preamble, used=used)

    plan = source.plan(source.publish(part))
    (restored,) = fetched(source, plan, directory / "out", threads=2)

    assert len(restored) == size
    part_map = plan.header.parts[0]
    for number in used if used is not None else range(part_map.block_count):
        at, length = part_map.span(number)
        assert restored[at : at + length] == content[at : at + length]


def damage(source: Bench, at: int) -> str:
    """Flip a bit of the only pack; returns its key."""
    (pack,) = packs(source)
    data = bytearray(source.store.get(pack.key, max_bytes=pack.size).data)
    data[at] ^= 1
    source.store.put(pack.key, bytes(data))
    return pack.key


def test_a_damaged_pack_is_named_with_snapshot_and_block(source: Bench, tmp_path: Path) -> None:
    snapshot_id = source.publish(BytesPart(noise(100 * BLOCK)))  # raw: only a digest can tell
    plan = source.plan(snapshot_id)
    assert all(frame.digest for read in plan.reads() for frame in read.frames)
    key = damage(source, 50 * BLOCK + 7)

    what = rf"{key} is damaged: its frame does not .*block 48 of main.*{snapshot_id}"
    with pytest.raises(Corrupt, match=what):
        fetched(source, plan, tmp_path / "out")


def test_a_damaged_block_with_a_frame_of_its_own_is_named(source: Bench, tmp_path: Path) -> None:
    size = 262_144
    snapshot_id = source.publish(BytesPart(noise(10 * size), block_size=size))
    plan = source.plan(snapshot_id)
    key = damage(source, 5 * size + 7)

    what = rf"{key} is damaged: the block does not .*block 5 of main.*{snapshot_id}"
    with pytest.raises(Corrupt, match=what):
        fetched(source, plan, tmp_path / "out")


def test_a_missing_pack_is_missing(source: Bench, tmp_path: Path) -> None:
    plan = source.plan(source.publish(BytesPart(noise(100 * BLOCK))))
    (pack,) = packs(source)
    source.store.delete(pack.key)

    with pytest.raises(ObjectMissing, match=pack.key):
        fetched(source, plan, tmp_path / "out")


def test_a_truncated_pack_is_corrupt(source: Bench, tmp_path: Path) -> None:
    plan = source.plan(source.publish(BytesPart(noise(100 * BLOCK))))
    (pack,) = packs(source)
    data = source.store.get(pack.key, max_bytes=pack.size).data
    source.store.put(pack.key, data[:-1])

    with pytest.raises(Corrupt):
        fetched(source, plan, tmp_path / "out")


def test_progress_ends_at_all_bytes(source: Bench, tmp_path: Path) -> None:
    plan = source.plan(source.publish(BytesPart(noise(3000 * BLOCK))))
    seen: list[tuple[int, int]] = []

    done = fetch(
        source.store, plan, [tmp_path / "main"], progress=lambda *so_far: seen.append(so_far)
    )

    assert seen == sorted(seen)
    assert seen[-1] == (plan.download_bytes, plan.download_bytes)
    assert (done.bytes_written, done.blocks) == (3000 * BLOCK, 3000)


def half_fetched(source: Bench, plan: Plan, main: Path, most_reads: int) -> FlakyStore:
    """A fetch that ends when the store goes away."""
    flaky = FlakyStore(source.store, most_reads)
    with pytest.raises(StoreUnreachable):
        fetch(flaky, plan, [main], threads=1, patience=PATIENT)
    return flaky


def test_no_block_is_fetched_twice_after_a_fetch_broke_off(source: Bench, tmp_path: Path) -> None:
    content = noise(8000 * BLOCK)
    plan = source.plan(source.publish(BytesPart(content)))
    main = tmp_path / "main"
    before = half_fetched(source, plan, main, most_reads=2)
    progress: list[tuple[int, int]] = []

    stock = take_stock(plan, [main])
    report = progress.append
    done = fetch(source.store, plan, [main], stock=stock, progress=lambda *now: report(now))

    assert main.read_bytes() == content
    assert done.bytes_kept == before.bytes_read > 0
    assert done.bytes_fetched == plan.download_bytes - before.bytes_read
    assert progress[-1] == (plan.download_bytes, plan.download_bytes)


def test_what_was_damaged_on_disk_meanwhile_is_fetched_again(source: Bench, tmp_path: Path) -> None:
    content = noise(8000 * BLOCK)
    plan = source.plan(source.publish(BytesPart(content)))
    main = tmp_path / "main"
    half_fetched(source, plan, main, most_reads=2)
    with main.open("r+b") as file:
        file.seek(5 * BLOCK)
        file.write(b"not what was there")

    fetch(source.store, plan, [main], stock=take_stock(plan, [main]))

    assert main.read_bytes() == content


def test_a_link_in_place_of_a_file_is_not_followed(source: Bench, tmp_path: Path) -> None:
    plan = source.plan(source.publish(BytesPart(noise(BLOCK))))
    (tmp_path / "theirs").write_text("mine")
    (tmp_path / "main").symlink_to("theirs")

    with pytest.raises(FileUnusable, match="cannot write"):
        fetch(source.store, plan, [tmp_path / "main"])

    assert (tmp_path / "theirs").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_exit_12(number: int, tmp_path: Path) -> None:
    error = write_failed(tmp_path / "main", OSError(number, os.strerror(number)))

    assert isinstance(error, NoSpace)
    assert error.exit_code == 12


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_write_to_a_full_device_is_exit_12(source: Bench) -> None:
    plan = source.plan(source.publish(BytesPart(noise(BLOCK))))

    with pytest.raises(NoSpace):
        _fill(source, plan)


def _fill(source: Bench, plan: Plan) -> None:
    read = next(plan.reads())
    data = memoryview(source.store.get_range(read.key, read.offset, read.length))
    full = _Full(Path("/dev/full"))
    try:
        Unpacker(plan.header, source.store.url, [full]).write(read, data)
    finally:
        os.close(full.descriptor)


class _Full(PartFile):
    """A device has no length that could be set."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY)
