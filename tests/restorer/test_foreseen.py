"""What a restore would fetch is said before, close to what it then fetches, by reads alone."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from cdc.live_files import reading
from restorer.facts import Policy
from restorer.fetch import fetch
from restorer.foreseen import Foreseen, SeedFile, foresee
from restorer.request import RestoreReport, RestoreRequest
from restorer.restore import restore
from restorer.seed import take_stock
from restorer.switch import staging_directory, work_directory
from restorer.unfolded import unfolded_main, unfolded_tail
from restorer.verdict import Action
from snapshotter.digest import digest
from snapshotter.errors import StoreUnreachable
from snapshotter.format import CatalogEntry
from snapshotter.reader import read_pointer
from snapshotter.store import ObjectStore
from tests.cdc.test_live_files import is_locked
from tests.restorer.accelerators import DATASET, Producer
from tests.restorer.conftest import Produce
from tests.restorer.published import Bench, bench, directory_store, noise
from tests.restorer.stores import PATIENT, CountedStore, FlakyStore, flip
from tests.snapshotter.images import BLOCK, BytesPart

ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")
ROWS = 20_000
ONE_PERCENT = ROWS // 100
EDGE = Policy(role="edge")
OPERATOR = Policy(role="operator")


@pytest.fixture
def source(tmp_path: Path) -> Bench:
    return bench(directory_store(tmp_path / "bucket"))


@pytest.fixture(autouse=True)
def many_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of some megabytes takes many reads, each of them once."""
    monkeypatch.setattr("restorer.plan.READ_BYTES", 128 * 1024)
    monkeypatch.setattr("restorer.fetch.Patience", lambda: PATIENT)


def settled(producer: Producer) -> Producer:
    """Its rows are in its main file, as upkeep leaves them."""
    while producer.accelerator.maintain(idle=True).is_pending:
        pass
    return producer


def looked(
    store: ObjectStore, target: Path, *seeds: Path, policy: Policy = OPERATOR
) -> RestoreReport:
    request = RestoreRequest(policy, dry_run=True, foresees=True, seeds=seeds)
    return restore(store, DATASET, target, request)


def foreseen(store: ObjectStore, target: Path, *seeds: Path, policy: Policy = OPERATOR) -> Foreseen:
    found = looked(store, target, *seeds, policy=policy).foreseen
    assert found is not None
    return found


def taken(
    store: ObjectStore, target: Path, *seeds: Path, policy: Policy = OPERATOR
) -> RestoreReport:
    return restore(store, DATASET, target, RestoreRequest(policy, seeds=seeds, threads=1))


def newest(store: ObjectStore, dataset: str = DATASET) -> CatalogEntry:
    return read_pointer(store, dataset).catalog[0]


def numbers(found: Foreseen | RestoreReport) -> tuple[int | None, int | None, int | None]:
    """To fetch, seeded, kept; of a report what they came to."""
    fetched = found.bytes_to_fetch if isinstance(found, Foreseen) else found.bytes_fetched
    return fetched, found.bytes_seeded, found.bytes_kept


def off(found: Foreseen, fetched: int) -> int:
    """By how many bytes the estimate was wrong."""
    assert found.bytes_to_fetch is not None
    return abs(found.bytes_to_fetch - fetched)


def everything_below(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names, sizes, times and content: what a write anywhere would change."""
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        content = int.from_bytes(digest(path.read_bytes(), "blake3")) if path.is_file() else 0
        found[str(path)] = (status.st_size, status.st_mtime_ns, status.st_ino, content)
    return found


# ---------------------------------------------------------------- beside the restore that follows


@pytest.mark.parametrize("upkeep", ["folded", "in the log"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_stale_file_after_one_row_in_a_hundred_changed(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine, upkeep: str
) -> None:
    producer, target = settled(produce(engine, rows=ROWS)), tmp_path / "target"
    producer.publish()
    taken(store, target)
    producer.put(0, ONE_PERCENT, seed=2)  # identities are hashes, so these lie all over the file
    if upkeep == "folded":
        settled(producer)
    producer.publish()

    found = foreseen(store, target)

    report = taken(store, target)
    whole = newest(store).stored_bytes
    assert found.is_estimate
    assert found.seeds[0].path == target
    assert (found.seeds[0].blocks_found or 0) > 0
    # The file is so small that all of it was looked at.
    assert found.margin_bytes == 0
    assert numbers(found) == numbers(report)
    assert 0 < report.bytes_fetched < whole == sum(each or 0 for each in numbers(found))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sample_of_the_file_is_right_within_the_margin_that_it_gives(
    store: ObjectStore,
    produce: Produce,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
) -> None:
    monkeypatch.setattr("restorer.sample.MOST_FRAMES", 12)
    producer, target = settled(produce(engine, rows=2 * ROWS)), tmp_path / "target"
    producer.publish()
    taken(store, target)
    producer.put(0, 2 * ONE_PERCENT, seed=2)
    producer.publish()

    found = foreseen(store, target)

    fetched = taken(store, target).bytes_fetched
    whole = newest(store).stored_bytes
    assert 0 < off(found, fetched) <= (found.margin_bytes or 0) < 0.4 * whole


def test_changes_at_random_places_are_foreseen_within_a_twentieth_of_the_whole(
    source: Bench, tmp_path: Path
) -> None:
    """Of 8,000 pages in 500 frames one in a hundred differs, and with it one frame in seven."""
    older = noise(8000 * BLOCK)
    newer = bytearray(older)
    for page in random.Random(3).sample(range(8000), 80):
        newer[page * BLOCK : (page + 1) * BLOCK] = noise(BLOCK, seed=page)
    snapshot_id = source.publish(BytesPart(bytes(newer)))
    target = tmp_path / "target"
    target.write_bytes(older)

    found = foresee(source.store, newest(source.store, "flights"), target)

    plan = source.plan(snapshot_id)
    stock = take_stock(plan, [tmp_path / "main"], [target])
    fetched = fetch(source.store, plan, [tmp_path / "main"], stock=stock).bytes_fetched
    assert found.sampled_blocks == 256 * 16
    assert 0 < off(found, fetched) < 0.05 * plan.download_bytes
    assert off(found, fetched) <= (found.margin_bytes or 0) < 0.06 * plan.download_bytes


def test_an_edge_is_told_what_its_log_before_the_fold_still_gives(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    producer, target = settled(produce("sqlite", rows=ROWS)), tmp_path / "edge"
    producer.put(0, 300, seed=2)  # more than a block of the log
    producer.publish()
    taken(store, target, policy=EDGE)
    producer.put(300, 50, seed=3)
    producer.publish()

    found = foreseen(store, target, policy=EDGE)

    kept = [unfolded_main(target), unfolded_tail(target)]
    blocks = {seed.path: seed.blocks_found for seed in found.seeds}
    assert all((blocks[path] or 0) > 0 for path in kept)
    assert numbers(found) == numbers(taken(store, target, policy=EDGE))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_writers_own_open_file_is_a_seed_and_keeps_its_lock(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer, target = settled(produce(engine, rows=ROWS)), tmp_path / "target"
    producer.publish()

    found = foreseen(store, target, tmp_path / "nothing", producer.path)

    assert [seed.path for seed in found.seeds] == [producer.path]
    assert is_locked(producer.path)
    assert numbers(found) == numbers(taken(store, target, producer.path))


# ---------------------------------------------------------------- nothing, and nothing of it


def test_without_a_file_here_it_is_the_whole_and_the_store_is_asked_for_nothing_more(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce("sqlite", rows=ROWS).publish()
    plain, looking = CountedStore(store), CountedStore(store)
    request = RestoreRequest(OPERATOR, dry_run=True)
    target = tmp_path / "node" / "target"

    decided = restore(plain, DATASET, target, request)
    found = foreseen(looking, target, tmp_path / "gone")

    assert decided.foreseen is None
    assert looking.reads == plain.reads
    assert found == Foreseen(newest(store).stored_bytes, 0, 0, 0, is_estimate=False)
    assert not (tmp_path / "node").exists()


def test_a_file_of_something_else_is_looked_at_and_the_whole_is_foreseen(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    other = produce("duckdb", store=directory_store(tmp_path / "other"))
    produce("sqlite", rows=ROWS).publish()
    alien = tmp_path / "alien"
    alien.write_bytes(noise(ROWS * 100))

    found = foreseen(store, tmp_path / "target", other.path, alien)

    whole = newest(store).stored_bytes
    assert found.is_estimate
    assert numbers(found) == (whole, 0, 0)
    assert found.seeds == (SeedFile(other.path, 0), SeedFile(alien, 0))
    # A restore without any block reads small gaps along.
    fetched = taken(store, tmp_path / "target", other.path, alien).bytes_fetched
    assert whole <= fetched < 1.05 * whole


def test_a_seed_that_cannot_be_read_is_told_and_is_no_error_of_the_restore_either(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce("sqlite", rows=500).publish()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    there = (tmp_path / "pipe", tmp_path / "folder", Path("/dev/zero"))
    nowhere = (tmp_path / "gone", tmp_path / ("long" * 100))

    found = foreseen(store, tmp_path / "target", *there, *nowhere)

    assert found.seeds == tuple(SeedFile(path) for path in there)
    assert numbers(found) == (newest(store).stored_bytes, 0, 0)
    assert taken(store, tmp_path / "target", *there, *nowhere).bytes_seeded == 0


def test_a_local_file_that_is_kept_foresees_nothing(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce("sqlite").publish()
    taken(store, tmp_path / "target")
    counted = CountedStore(store)

    report = looked(counted, tmp_path / "target", policy=EDGE)

    assert report.decision.action is Action.KEEP_LOCAL
    assert report.foreseen is None
    assert not [key for key, _ in counted.reads if key.endswith("manifest")]


# ---------------------------------------------------------------- a try before


def broken_off(store: ObjectStore, target: Path) -> int:
    """Half of a restore; gives the bytes of its ranged reads."""
    flaky = FlakyStore(store, most_reads=8)
    with pytest.raises(StoreUnreachable):
        taken(flaky, target)
    return flaky.bytes_read


@pytest.mark.parametrize("engine", ENGINES)
def test_what_half_a_restore_left_is_kept(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer, target = settled(produce(engine, rows=3 * ROWS)), tmp_path / "target"
    older = producer.publish()
    assert broken_off(store, target) > 0

    found = foreseen(store, target)
    producer.put(0, 50, seed=2)
    producer.publish()
    of_newer = foreseen(store, target)

    staged = staging_directory(target, older) / target.name
    for each in (found, of_newer):
        assert each.seeds[0].path == staged
        assert (each.seeds[0].blocks_found or 0) > 0
    assert 0 < (found.bytes_to_fetch or 0) < (of_newer.bytes_to_fetch or 0)
    assert numbers(of_newer) == numbers(taken(store, target))
    assert of_newer.bytes_seeded == 0


def test_what_is_staged_to_the_end_needs_nothing_and_no_request(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    snapshot_id, target = produce("sqlite", rows=ROWS).publish(), tmp_path / "target"

    def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(store, DATASET, target, RestoreRequest(OPERATOR, before_switch=killed))
    counted = CountedStore(store)

    found = foresee(counted, newest(store), target)

    assert counted.reads == []
    assert numbers(found) == (0, 0, newest(store).stored_bytes)
    assert found.seeds == (SeedFile(staging_directory(target, snapshot_id) / target.name),)
    assert numbers(found) == numbers(taken(store, target))


# ---------------------------------------------------------------- what it does not do


@pytest.mark.parametrize("engine", ENGINES)
def test_no_file_is_made_or_changed(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer, target = settled(produce(engine, rows=ROWS)), tmp_path / "node" / "target"
    producer.publish()
    taken(store, target, policy=EDGE)
    producer.put(0, 2 * ROWS, seed=2)
    producer.publish()
    broken_off(store, target)
    producer.put(0, 5, seed=3)
    producer.publish()
    before = everything_below(tmp_path)

    found = foresee(store, newest(store), target, [producer.path])

    assert found.bytes_to_fetch is not None
    assert len(found.seeds) >= 3
    assert everything_below(tmp_path) == before
    assert list(work_directory(target).iterdir())


def test_the_decision_is_the_same_whatever_the_files_here_have(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    producer = settled(produce("sqlite", rows=ROWS))
    producer.publish()
    now = store.now()
    base = RestoreRequest(Policy(), dry_run=True, clock=lambda: now)
    looks = RestoreRequest(
        Policy(), dry_run=True, clock=lambda: now, foresees=True, seeds=(producer.path,)
    )

    plain = restore(store, DATASET, tmp_path / "target", base)
    told = restore(store, DATASET, tmp_path / "target", looks)

    assert told.foreseen is not None
    assert (told.foreseen.bytes_seeded or 0) > 0
    one, other = plain.decision.numbers, told.decision.numbers
    assert one.download_bytes == other.download_bytes == newest(store).stored_bytes
    assert one.predicted_seconds == other.predicted_seconds > 0
    assert told.decision.action is plain.decision.action is Action.RESTORE


def test_the_store_is_asked_for_a_header_and_a_bounded_part_of_a_large_map(
    source: Bench, tmp_path: Path
) -> None:
    """Of 24,000 pages in 375 segments, each second of which lies in another manifest."""
    content = bytearray(noise(24_000 * BLOCK))
    source.publish(BytesPart(bytes(content)))
    for begin in range(0, 375, 2):
        at = begin * 64 * BLOCK
        content[at : at + BLOCK] = noise(BLOCK, seed=begin)
    source.publish(BytesPart(bytes(content)))
    target = tmp_path / "target"
    half = len(content) // 2
    target.write_bytes(bytes(content[:half]) + noise(half, seed=9))
    counted = CountedStore(source.store)

    found = foresee(counted, newest(source.store, "flights"), target)

    (header, _), *segments = counted.reads
    assert header.endswith("/manifest")
    assert len(segments) == 64
    assert not [key for key, _ in counted.reads if "/packs/" in key]
    whole = newest(source.store, "flights").stored_bytes
    assert sum(size for _, size in segments) < 0.2 * 24_000 * 56
    assert off(found, whole // 2) <= (found.margin_bytes or 0) < 0.15 * whole


# ---------------------------------------------------------------- a store that does not say


def test_a_store_that_goes_away_leaves_it_unknown(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    producer = settled(produce("sqlite", rows=ROWS))
    producer.publish()

    for reads in (0, 1):  # before the header, before the map
        found = foresee(
            FlakyStore(store, reads), newest(store), tmp_path / "target", [producer.path]
        )

        assert numbers(found) == (None, None, None)
        assert found.margin_bytes is None
        assert "went away" in (found.unknown_because or "")
        assert found.seeds == (SeedFile(producer.path),)


def test_a_damaged_manifest_leaves_it_unknown_and_the_decision_as_it_was(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    producer = settled(produce("sqlite", rows=ROWS))
    snapshot_id = producer.publish()
    flip(store, newest(store).manifest, 200)

    report = looked(store, tmp_path / "target", producer.path)

    assert report.decision.action is Action.RESTORE
    assert report.foreseen is not None
    assert report.foreseen.bytes_to_fetch is None
    assert snapshot_id in (report.foreseen.unknown_because or "")


def test_a_file_that_shrinks_meanwhile_has_less(source: Bench, tmp_path: Path) -> None:
    content = noise(400 * BLOCK)
    source.publish(BytesPart(content))
    target = tmp_path / "target"
    target.write_bytes(content)
    with reading(target):  # as the engine of this process would hold it
        target.write_bytes(content[: 160 * BLOCK + 5])

        found = foresee(source.store, newest(source.store, "flights"), target)

    assert numbers(found) == (240 * BLOCK, 160 * BLOCK, 0)
