"""What a file on this machine has of a snapshot is copied, and nothing of it is believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restorer.fetch import Fetched, fetch
from restorer.plan import Plan
from restorer.seed import take_stock
from tests.restorer.published import Bench, bench, directory_store, mixed, noise
from tests.restorer.stores import CountedStore
from tests.servers.sharing import sharing_extents
from tests.snapshotter.images import BLOCK, BytesPart


@pytest.fixture
def source(tmp_path: Path) -> Bench:
    return bench(directory_store(tmp_path / "bucket"))


def seeded(source: Bench, plan: Plan, main: Path, *seeds: Path) -> Fetched:
    stock = take_stock(plan, [main], seeds)
    return fetch(source.store, plan, [main], stock=stock)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def changed(content: bytes, *blocks: int) -> bytes:
    data = bytearray(content)
    for block in blocks:
        data[block * BLOCK : (block + 1) * BLOCK] = noise(BLOCK, seed=block)
    return bytes(data)


def test_only_what_differs_is_fetched(source: Bench, tmp_path: Path) -> None:
    content = noise(3000 * BLOCK)
    source.publish(BytesPart(content))
    newer = changed(content, 0, 7, 8, 2999)
    plan = source.plan(source.publish(BytesPart(newer)))
    seed = written(tmp_path / "seed", content)

    done = seeded(source, plan, tmp_path / "main", seed)

    assert (tmp_path / "main").read_bytes() == newer
    assert seed.read_bytes() == content
    assert (done.bytes_fetched, done.blocks) == (4 * BLOCK, 4)
    assert done.bytes_seeded == plan.download_bytes - done.bytes_fetched


def test_a_seed_with_all_of_it_needs_no_request(source: Bench, tmp_path: Path) -> None:
    content = noise(12_288 + 40 * 262_144 + 99)
    plan = source.plan(source.publish(BytesPart(content, block_size=262_144, preamble=12_288)))
    store = CountedStore(source.store)
    stock = take_stock(plan, [tmp_path / "main"], [written(tmp_path / "seed", content)])

    fetch(store, plan, [tmp_path / "main"], stock=stock)

    assert (tmp_path / "main").read_bytes() == content
    assert store.reads == []


def test_seeds_add_to_one_another(source: Bench, tmp_path: Path) -> None:
    content = noise(400 * BLOCK)  # in frames of 16 blocks
    plan = source.plan(source.publish(BytesPart(content)))
    first = written(tmp_path / "first", content[: 160 * BLOCK])
    second = written(tmp_path / "second", bytes(96 * BLOCK) + content[96 * BLOCK : 304 * BLOCK])

    done = seeded(source, plan, tmp_path / "main", first, second)

    assert (tmp_path / "main").read_bytes() == content
    assert done.blocks == 96


def test_holes_of_the_map_stay_holes_whatever_the_seed_has_there(
    source: Bench, tmp_path: Path
) -> None:
    content = noise(1000 * BLOCK)
    plan = source.plan(source.publish(BytesPart(content, used=frozenset({0, 500, 999}))))

    done = seeded(source, plan, tmp_path / "main", written(tmp_path / "seed", content))

    restored = (tmp_path / "main").read_bytes()
    assert restored.count(0) > 996 * BLOCK
    assert restored[500 * BLOCK : 501 * BLOCK] == content[500 * BLOCK : 501 * BLOCK]
    assert (tmp_path / "main").stat().st_blocks * 512 < 100 * BLOCK
    assert done.blocks == 0


def test_what_an_earlier_try_left_in_the_place_of_a_hole_is_emptied(
    source: Bench, tmp_path: Path
) -> None:
    content = noise(100 * BLOCK)
    plan = source.plan(source.publish(BytesPart(content, used=frozenset(range(50)))))
    main = written(tmp_path / "main", content + noise(10 * BLOCK))

    done = fetch(source.store, plan, [main], stock=take_stock(plan, [main]))

    assert main.read_bytes() == content[: 50 * BLOCK] + bytes(50 * BLOCK)
    assert (done.bytes_fetched, done.bytes_kept) == (0, plan.download_bytes)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, 37 * BLOCK + 5, 500 * BLOCK])
def test_a_foreign_seed_of_any_size_gives_nothing_and_harms_nothing(
    source: Bench, tmp_path: Path, size: int
) -> None:
    content = noise(100 * BLOCK + 9)
    plan = source.plan(source.publish(BytesPart(content)))

    done = seeded(source, plan, tmp_path / "main", written(tmp_path / "seed", noise(size, seed=9)))

    assert (tmp_path / "main").read_bytes() == content
    assert done.bytes_seeded == 0


def test_a_seed_that_is_no_file_is_passed_over(source: Bench, tmp_path: Path) -> None:
    content = noise(10 * BLOCK)
    plan = source.plan(source.publish(BytesPart(content)))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    none = [tmp_path / "pipe", tmp_path / "folder", tmp_path / "gone", Path("/dev/zero")]

    done = seeded(source, plan, tmp_path / "main", *none)

    assert (tmp_path / "main").read_bytes() == content
    assert done.bytes_seeded == 0


def test_a_seed_of_a_large_snapshot_that_has_nothing_of_it_is_hardly_read(
    source: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = source.plan(source.publish(BytesPart(noise(5000 * BLOCK))))
    seed = written(tmp_path / "seed", noise(5000 * BLOCK, seed=2))
    read: list[int] = []
    preadv = os.preadv

    def noted(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        read.append(preadv(descriptor, buffers, offset))
        return read[-1]

    monkeypatch.setattr(os, "preadv", noted)
    take_stock(plan, [tmp_path / "main"], [seed])

    assert 0 < sum(read) < 600 * BLOCK


def test_a_seed_that_has_one_block_in_twenty_is_used(source: Bench, tmp_path: Path) -> None:
    content = noise(5000 * BLOCK)
    plan = source.plan(source.publish(BytesPart(content)))
    seed = bytearray(noise(5000 * BLOCK, seed=2))
    seed[1024 * BLOCK : 1280 * BLOCK] = content[1024 * BLOCK : 1280 * BLOCK]

    done = seeded(source, plan, tmp_path / "main", written(tmp_path / "seed", bytes(seed)))

    assert done.blocks == 5000 - 256


def test_whoever_watches_can_stop_the_copying(source: Bench, tmp_path: Path) -> None:
    content = noise(10 * BLOCK)
    plan = source.plan(source.publish(BytesPart(content)))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_stock(plan, [tmp_path / "main"], [written(tmp_path / "seed", content)], progress=stop)


def test_a_file_system_that_can_share_extents_shares_them(source: Bench, tmp_path: Path) -> None:
    content = noise(8000 * BLOCK)
    plan = source.plan(source.publish(BytesPart(changed(content, 7))))
    with sharing_extents(tmp_path) as folder:
        seed = written(folder / "seed", content)
        os.sync()
        before = os.statvfs(folder).f_bfree

        done = seeded(source, plan, folder / "main", seed)

        os.sync()
        status = os.statvfs(folder)
        assert (folder / "main").read_bytes() == changed(content, 7)
        assert done.blocks <= 16
        assert (before - status.f_bfree) * status.f_frsize < 4000 * BLOCK


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_file_is_the_snapshot_whatever_seed_and_staging_were(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("law")
    source = bench(directory_store(directory / "bucket"))
    size = data.draw(st.integers(1, 40 * BLOCK))
    preamble = data.draw(st.sampled_from([0, 512]))
    content = mixed(41, BLOCK, seed=1)[:size]
    numbers = st.integers(0, (size - 1) // BLOCK)
    used = data.draw(st.none() | st.frozensets(numbers))
    plan = source.plan(source.publish(BytesPart(content, preamble=preamble, used=used)))
    left, seed = directory / "main", directory / "seed"
    for path in data.draw(st.sets(st.sampled_from([left, seed]))):
        blocks = data.draw(st.frozensets(st.integers(0, 41)))
        cut = data.draw(st.integers(0, 42 * BLOCK))
        path.write_bytes((changed(content + noise(42 * BLOCK - size), *blocks))[:cut])

    seeded(source, plan, left, seed)

    restored, part = left.read_bytes(), plan.header.parts[0]
    wanted = set(range(part.block_count)) if used is None else used | ({0} if preamble else set())
    assert len(restored) == size
    for number in range(part.block_count):
        at, length = part.span(number)
        expected = content[at : at + length] if number in wanted else bytes(length)
        assert restored[at : at + length] == expected
