"""What a node has of a snapshot already, in its live file or of a try before, is not fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from cdc.engines import sidecars
from restorer.facts import Policy
from restorer.request import RestoreReport, RestoreRequest
from restorer.restore import restore
from restorer.switch import staging_directory, work_directory
from restorer.verdict import Action
from snapshotter.errors import ObjectMissing, StoreUnreachable
from snapshotter.file_store import FileStore
from snapshotter.layout import SnapshotId
from snapshotter.location import parse_location
from snapshotter.reader import read_pointer
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import DATASET, Producer, plain_rows, rows_of
from tests.restorer.conftest import Produce
from tests.restorer.stores import PATIENT

ROWS = 20_000
ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")
EDGE = Policy(role="edge")
OPERATOR = Policy(role="operator")
MOST_IN_FLIGHT = 300_000
"""Bytes of the one read that a fetch by one thread may lose: a block of DuckDB."""


class PackStore(FileStore):
    """A directory that notes the bytes of packs, and calls somebody before one read of them.

    `away_from`: the read of a pack from which on it does not answer.
    """

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(parse_location(store.url))
        self.pack_bytes = 0
        self.before: dict[int, Callable[[], None]] = {}
        self.reads = 0
        self.away_from: int | None = None

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        if "/packs/" in key:
            self.reads += 1
            self.before.pop(self.reads, lambda: None)()
            if self.away_from is not None and self.reads >= self.away_from:
                raise StoreUnreachable("it went away", hint="bring it back")
            self.pack_bytes += size
        return super().get_range(key, offset, size)


@pytest.fixture
def packs(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> PackStore:
    """The test's bucket; a file of some megabytes takes many reads, each of them once."""
    monkeypatch.setattr("restorer.plan.READ_BYTES", 128 * 1024)
    monkeypatch.setattr("restorer.fetch.Patience", lambda: PATIENT)
    return PackStore(store)


def taken(packs: PackStore, target: Path, policy: Policy = OPERATOR, *seeds: Path) -> RestoreReport:
    """A restore by one thread, so that reads come in their order."""
    return restore(packs, DATASET, target, RestoreRequest(policy, seeds=seeds, threads=1))


def stored_bytes(store: ObjectStore, snapshot_id: str) -> int:
    entry = read_pointer(store, DATASET).entry(snapshot_id)
    assert entry is not None
    return entry.stored_bytes


def loaded(produce: Produce, engine: Engine) -> Producer:
    """A producer whose rows are in its main file, as upkeep leaves them, and a few in the log."""
    producer = produce(engine, rows=ROWS)
    while producer.accelerator.maintain(idle=True).is_pending:
        pass
    return producer


def rows_after(*puts: tuple[int, int, int]) -> list[tuple[str, int, str]]:
    rows = rows_of(0, ROWS, seed=1)
    for first, count, seed in puts:
        rows[first : first + count] = rows_of(first, count, seed)
    return rows


# ---------------------------------------------------------------- the live file


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stale_file_gives_all_blocks_that_did_not_change(
    packs: PackStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer, target = loaded(produce, engine), tmp_path / "target"
    producer.publish()
    taken(packs, target)
    producer.put(0, 50, seed=2)
    newer = producer.publish()
    packs.pack_bytes = 0

    report = taken(packs, target, EDGE)

    assert report.snapshot_id == newer
    assert plain_rows(target, engine) == rows_after((0, 50, 2))
    assert report.bytes_fetched == packs.pack_bytes < 0.2 * stored_bytes(packs, newer)
    assert report.bytes_seeded == stored_bytes(packs, newer) - report.bytes_fetched
    assert "seed" in report.seconds


@pytest.mark.parametrize("engine", ENGINES)
def test_another_file_can_be_named_as_a_seed(
    packs: PackStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer, target = loaded(produce, engine), tmp_path / "target"
    newest = producer.publish()

    report = taken(packs, target, OPERATOR, tmp_path / "nothing", producer.path)

    assert plain_rows(target, engine) == rows_after()
    assert report.bytes_fetched < 0.2 * stored_bytes(packs, newest)


def test_a_seed_of_the_other_engine_gives_nothing(
    packs: PackStore, produce: Produce, tmp_path: Path
) -> None:
    other = produce("duckdb", store=FileStore(parse_location(f"file://{tmp_path}/other")))
    produce("sqlite", rows=ROWS).publish()

    report = taken(packs, tmp_path / "target", OPERATOR, other.path)

    assert report.bytes_seeded == 0
    assert plain_rows(tmp_path / "target", "sqlite") == rows_after()


# ---------------------------------------------------------------- a try before


def broken_off(packs: PackStore, target: Path) -> int:
    """Half of a restore; gives the pack bytes that it fetched."""
    packs.away_from = packs.reads + 6
    with pytest.raises(StoreUnreachable):
        taken(packs, target)
    packs.away_from = None
    done, packs.pack_bytes = packs.pack_bytes, 0
    assert done > 0
    return done


@pytest.mark.parametrize("engine", ENGINES)
def test_a_newer_snapshot_keeps_the_blocks_of_a_restore_that_broke_off(
    packs: PackStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer, target = loaded(produce, engine), tmp_path / "target"
    older = producer.publish()
    before = broken_off(packs, target)
    assert staging_directory(target, older).exists()
    producer.put(0, 50, seed=2)
    newer = producer.publish()

    report = taken(packs, target)

    assert report.snapshot_id == newer
    assert report.bytes_kept > 0.8 * before
    assert before + packs.pack_bytes <= 1.1 * stored_bytes(packs, newer) + MOST_IN_FLIGHT
    assert plain_rows(target, engine) == rows_after((0, 50, 2))
    assert [each.name for each in work_directory(target).iterdir() if _is_staging(each)] == []


def _is_staging(path: Path) -> bool:
    try:
        SnapshotId.parse(path.name)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("engine", ENGINES)
def test_packs_that_are_deleted_meanwhile_lead_to_the_newer_snapshot_with_what_was_fetched(
    packs: PackStore, store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer, target = loaded(produce, engine), tmp_path / "target"
    older = producer.publish()
    newer: list[str] = []

    def pruned() -> None:
        newer.append(producer.publish(full=True))
        for info in list(store.list(f"{DATASET}/packs/")):
            if f"/{older}" in info.key:
                store.delete(info.key)

    packs.before[6] = pruned

    report = taken(packs, target)

    assert [report.snapshot_id] == newer
    assert [each.snapshot_id for each in report.rejected] == [older]
    assert packs.pack_bytes <= stored_bytes(packs, newer[0]) + MOST_IN_FLIGHT
    assert plain_rows(target, engine) == rows_after()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_log_of_the_try_before_is_not_replayed_into_a_snapshot_without_one(
    packs: PackStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer, target = produce(engine, rows=ROWS), tmp_path / "target"
    older = producer.publish()
    broken_off(packs, target)
    log = sidecars(engine, staging_directory(target, older) / target.name)[0]
    assert log.exists()
    producer.put(0, 1, seed=3)
    while producer.accelerator.maintain(idle=True).is_pending:
        pass
    producer.publish()

    taken(packs, target)

    assert plain_rows(target, engine) == rows_after((0, 1, 3))


def test_an_edge_that_lost_its_store_keeps_serving_and_keeps_what_it_fetched(
    packs: PackStore, produce: Produce, tmp_path: Path
) -> None:
    producer, target = produce("sqlite", rows=500), tmp_path / "target"
    producer.publish()
    taken(packs, target)
    producer.put(0, ROWS, seed=2)
    newer = producer.publish()
    packs.away_from = packs.reads + 6

    kept = taken(packs, target, EDGE)
    packs.away_from = None
    before, packs.pack_bytes = packs.pack_bytes, 0
    report = taken(packs, target, EDGE)

    assert kept.decision.action is Action.KEEP_LOCAL
    assert report.snapshot_id == newer
    assert before + packs.pack_bytes <= stored_bytes(packs, newer) + MOST_IN_FLIGHT


def test_a_restore_that_is_refused_for_damage_leaves_no_staging(
    packs: PackStore, store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    producer = produce("sqlite", rows=ROWS)
    producer.publish()
    target = tmp_path / "target"

    def gone() -> None:
        raise ObjectMissing("a pack is gone")

    packs.before[6] = gone

    with pytest.raises(Exception, match="gone"):
        taken(packs, target, Policy(allow_bootstrap=False))

    assert not target.exists()
    assert [each for each in work_directory(target).iterdir() if _is_staging(each)] == []
