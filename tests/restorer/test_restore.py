"""Cold starts as a caller sees them: what is live afterwards, and what was decided and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdc.accelerator import Engine
from restorer.errors import CheckpointExpired, NothingToRestore, Unreadable
from restorer.facts import Policy, Selection
from restorer.restore import RestoreRequest, restore
from restorer.switch import read_origin, work_directory
from restorer.verdict import Action
from snapshotter import layout
from snapshotter.errors import StoreUnreachable
from snapshotter.location import StoreParams
from snapshotter.reader import read_pointer
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store
from tests.restorer.accelerators import DATASET, plain_rows, rows_of, stored_checkpoint
from tests.restorer.conftest import Produce
from tests.restorer.stores import LaterStore, bucket_store
from tests.servers.process import free_ports
from tests.servers.seaweedfs import SeaweedFS

ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")
OPERATOR = RestoreRequest(Policy(role="operator"))
EDGE = RestoreRequest(Policy(role="edge"))
CENTRAL = RestoreRequest(Policy(allow_bootstrap=False))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_new_node_has_the_rows_and_the_checkpoint(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer = produce(engine)
    at = producer.put(100, 50, seed=2)
    snapshot_id = producer.publish()
    target = tmp_path / "new" / f"target.{engine}"

    report = restore(store, DATASET, target, CENTRAL)

    assert (report.snapshot_id, report.version) == (snapshot_id, 2)
    assert report.decision.action is Action.RESTORE
    assert stored_checkpoint(target, engine) == at
    expected = rows_of(0, 500, seed=1)
    expected[100:150] = rows_of(100, 50, seed=2)
    assert plain_rows(target, engine) == expected
    assert report.seconds.keys() == {"pointer", "header", "fetch", "prove", "fsync", "switch"}
    assert report.bytes_written >= report.bytes_fetched > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_the_restored_file_goes_on_being_written(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    produce(engine).publish()
    target = tmp_path / "target"
    restore(store, DATASET, target, OPERATOR)

    successor = produce(engine, rows=0, path=target, version=1)
    successor.put(0, 5, seed=3)
    successor.publish()
    successor.close()

    assert read_pointer(store, DATASET).generation == 2
    assert plain_rows(target, engine)[:5] == rows_of(0, 5, seed=3)


def test_nothing_but_the_file_and_its_work_directory_is_left(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    target = tmp_path / "node" / "target.db"

    restore(store, DATASET, target, OPERATOR)

    assert {file.name for file in target.parent.iterdir()} == {"target.db", "target.db.d"}
    left = {file.name for file in work_directory(target).iterdir()}
    assert left == {"lock", "origin.json", "previous"}


def test_the_origin_of_a_restored_file_is_known(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    snapshot_id = produce().publish()

    restore(store, DATASET, tmp_path / "target.db", OPERATOR)

    origin = read_origin(tmp_path / "target.db")
    assert origin is not None
    assert (origin.snapshot_id, origin.location) == (snapshot_id, store.url)


def test_a_file_that_is_at_the_snapshot_is_not_fetched_again(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    restore(store, DATASET, tmp_path / "target.db", OPERATOR)

    report = restore(store, DATASET, tmp_path / "target.db", EDGE)

    assert report.decision.action is Action.KEEP_LOCAL
    assert report.bytes_fetched == 0


def test_a_snapshot_can_be_named_by_id_time_and_version(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    producer = produce()
    first = producer.publish()
    producer.put(0, 1, seed=2)
    second = producer.publish()
    entry = read_pointer(store, DATASET).entry(first)
    assert entry is not None

    def restored(name: str, selection: Selection) -> str | None:
        request = RestoreRequest(Policy(role="operator"), selection)
        return restore(store, DATASET, tmp_path / name, request).snapshot_id

    assert restored("a", Selection(snapshot_id=first)) == first
    assert restored("b", Selection(at=entry.created_at)) == first
    assert restored("c", Selection(data_version=2)) == second


def test_progress_ends_at_what_the_decision_predicted(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    seen: list[tuple[int, int]] = []

    report = restore(
        store,
        DATASET,
        tmp_path / "target.db",
        OPERATOR,
        progress=lambda done, total: seen.append((done, total)),
    )

    predicted = report.decision.numbers.download_bytes
    assert seen[-1] == (predicted, predicted)


# ---------------------------------------------------------------- decisions that restore nothing


def test_a_dry_run_decides_and_writes_nothing(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    snapshot_id = produce().publish()
    request = RestoreRequest(Policy(allow_bootstrap=False), dry_run=True)

    report = restore(store, DATASET, tmp_path / "node" / "target.db", request)

    assert report.decision.action is Action.RESTORE
    assert report.decision.chosen is not None
    assert report.decision.chosen.snapshot_id == snapshot_id
    assert report.decision.numbers.download_bytes > 0
    assert not (tmp_path / "node").exists()


def test_a_dry_run_reports_a_refusal_instead_of_raising_it(
    store: ObjectStore, tmp_path: Path
) -> None:
    request = RestoreRequest(Policy(allow_bootstrap=False), dry_run=True)

    decision = restore(store, DATASET, tmp_path / "target.db", request).decision

    assert (decision.action, decision.exit_code) == (Action.REFUSE, 4)


def test_an_empty_bucket_is_exit_4_without_bootstrap_and_a_bootstrap_with(
    store: ObjectStore, tmp_path: Path
) -> None:
    with pytest.raises(NothingToRestore, match=rf"{DATASET} in {store.url}: there is no snapshot"):
        restore(store, DATASET, tmp_path / "target.db", CENTRAL)

    report = restore(store, DATASET, tmp_path / "target.db", RestoreRequest(Policy()))

    assert report.decision.action is Action.BOOTSTRAP


def test_an_edge_without_a_snapshot_waits_and_knows_its_exit_code(
    store: ObjectStore, tmp_path: Path
) -> None:
    report = restore(store, DATASET, tmp_path / "target.db", EDGE)

    assert report.decision.action is Action.WAIT
    assert isinstance(report.failure, NothingToRestore)


def test_an_expired_snapshot_is_refused_before_anything_but_the_pointer_is_read(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    snapshot_id = produce().publish()
    late = LaterStore(store, ahead_seconds=25 * 3600)

    with pytest.raises(CheckpointExpired):
        restore(late, DATASET, tmp_path / "target.db", CENTRAL)

    assert late.ranges == []
    assert restore(late, DATASET, tmp_path / "target.db", OPERATOR).snapshot_id == snapshot_id


def test_ages_are_told_by_the_clock_of_the_stream_where_it_answers(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    request = RestoreRequest(CENTRAL.policy, clock=lambda: store.now() + 25 * 3600)

    with pytest.raises(CheckpointExpired):
        restore(store, DATASET, tmp_path / "target.db", request)


def test_only_snapshots_of_another_engine_are_exit_11(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce("sqlite").publish()
    request = RestoreRequest(Policy(engine="duckdb", allow_bootstrap=False))

    with pytest.raises(Unreadable, match="of engine sqlite, this node has duckdb"):
        restore(store, DATASET, tmp_path / "target", request)


def test_a_store_that_does_not_answer_is_exit_8_but_a_fresh_file_is_kept(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    target = tmp_path / "target.db"
    restore(store, DATASET, target, OPERATOR)
    (port,) = free_ports(1)
    params = StoreParams(
        auth="key", key="k", secret="s", region="us-east-1", endpoint=f"http://127.0.0.1:{port}"
    )
    away = open_store("s3://bucket/prefix", params)

    kept = restore(away, DATASET, target, CENTRAL)
    with pytest.raises(StoreUnreachable):
        restore(away, DATASET, tmp_path / "other.db", CENTRAL)

    assert kept.decision.action is Action.KEEP_LOCAL


# ---------------------------------------------------------------- SeaweedFS


@pytest.mark.parametrize("engine", ENGINES)
def test_a_reader_without_write_permission_restores_from_seaweedfs(
    seaweedfs: SeaweedFS, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    bucket = seaweedfs.bucket("restore")
    producer = produce(engine, store=bucket_store(seaweedfs, bucket))
    producer.publish()
    producer.put(0, 10, seed=2)
    snapshot_id = producer.publish()
    reader = bucket_store(seaweedfs, bucket, read_only=True)

    report = restore(reader, DATASET, tmp_path / "target", CENTRAL)

    assert report.snapshot_id == snapshot_id
    assert plain_rows(tmp_path / "target", engine)[:10] == rows_of(0, 10, seed=2)


def test_an_empty_bucket_on_seaweedfs_is_exit_4(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    reader = bucket_store(seaweedfs, seaweedfs.bucket("empty"), read_only=True)

    with pytest.raises(NothingToRestore):
        restore(reader, DATASET, tmp_path / "target.db", CENTRAL)


def test_a_pack_that_is_gone_from_seaweedfs_gives_the_older_independent_snapshot(
    seaweedfs: SeaweedFS, produce: Produce, tmp_path: Path
) -> None:
    store = bucket_store(seaweedfs, seaweedfs.bucket("gone"))
    producer = produce(store=store)
    older = producer.publish()
    newer = producer.publish(full=True)
    store.delete(layout.pack_key(DATASET, layout.pack_name(newer, 0)))

    report = restore(store, DATASET, tmp_path / "target.db", CENTRAL)

    assert report.snapshot_id == older
    assert [each.snapshot_id for each in report.rejected] == [newer]
