"""What was at the target: replaced where it is ours and older, and never lost where it is not."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from cdc.accelerator import Engine
from cdc.checkpoint import Lineage
from cdc.engines import open_accelerator, sidecars
from cdc.errors import FileBusy, FileUnusable
from restorer import staging
from restorer.errors import ForeignLineage, NoSpace, Refused, WouldOverwrite
from restorer.facts import LocalFile, Policy
from restorer.restore import RestoreRequest, restore
from restorer.switch import (
    forget_previous,
    previous_directory,
    read_origin,
    staging_directory,
    work_directory,
)
from restorer.verdict import Action
from snapshotter import layout
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import (
    DATASET,
    batch_of,
    plain_rows,
    rows_of,
    stored_checkpoint,
)
from tests.restorer.conftest import Produce
from tests.restorer.published import directory_store
from tests.restorer.stores import LaterStore
from tests.snapshotter.images import lineage

ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")
OPERATOR = RestoreRequest(Policy(role="operator"))
REPLACE = RestoreRequest(Policy(role="operator", replace=True))
EDGE = RestoreRequest(Policy(role="edge"))


def epoch(text: str) -> Lineage:
    return Lineage("pipelines", "table-1", "arn:stream-1", text)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_older_file_is_replaced_and_kept_until_it_is_forgotten(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer = produce(engine)
    producer.publish()
    target = tmp_path / "target"
    restore(store, DATASET, target, OPERATOR)
    producer.put(0, 500, seed=2)
    producer.publish()

    restore(store, DATASET, target, EDGE)

    previous = previous_directory(target) / target.name
    assert plain_rows(target, engine) == rows_of(0, 500, seed=2)
    assert plain_rows(previous, engine) == rows_of(0, 500, seed=1)
    assert forget_previous(target, stored_checkpoint(target, engine))
    assert not previous.exists()


def test_a_new_bootstrap_of_the_same_table_replaces_the_file(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce(lineage=epoch("20260801T000000Z-aaaa")).publish()
    target = tmp_path / "target.db"
    restore(store, DATASET, target, OPERATOR)
    second = produce(lineage=epoch("20260802T000000Z-bbbb"))
    second.put(0, 10, seed=2)
    second.publish()

    restore(store, DATASET, target, EDGE)

    assert plain_rows(target, "sqlite")[:10] == rows_of(0, 10, seed=2)


def test_a_central_node_leaves_its_fresh_file_for_a_newer_bootstrap(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce(lineage=epoch("20260801T000000Z-aaaa")).publish()
    target = tmp_path / "target.db"
    central = RestoreRequest(Policy(allow_bootstrap=False))
    restore(store, DATASET, target, central)
    kept = restore(store, DATASET, target, central)
    newer = produce(lineage=epoch("20260802T000000Z-bbbb")).publish()

    report = restore(store, DATASET, target, central)

    assert kept.decision.action is Action.KEEP_LOCAL
    assert report.snapshot_id == newer


def test_a_target_of_another_table_is_refused_and_untouched(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    target = tmp_path / "target.db"
    other = produce(
        rows=10,
        store=directory_store(tmp_path / "other"),
        path=target,
        lineage=lineage(table_id="table-2"),
    )
    other.close()
    producer = produce()
    producer.put(0, 500, seed=2)
    producer.publish()

    with pytest.raises(WouldOverwrite) as refused:
        restore(store, DATASET, target, OPERATOR)
    assert refused.value.exit_code == 3
    assert plain_rows(target, "sqlite") == rows_of(0, 10, seed=1)

    restore(store, DATASET, target, REPLACE)
    assert plain_rows(target, "sqlite") == rows_of(0, 500, seed=2)


def test_snapshots_of_another_stream_do_not_feed_this_node(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    request = RestoreRequest(Policy(), source=("table-9", "arn:stream-9"))

    with pytest.raises(ForeignLineage) as refused:
        restore(store, DATASET, tmp_path / "target.db", request)

    assert refused.value.exit_code == 3
    assert not (tmp_path / "target.db").exists()


def test_a_new_table_is_not_loaded_into_the_bucket_of_the_old_one(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    late = LaterStore(store, ahead_seconds=25 * 3600)
    policy = Policy(shard_not_found_behavior="ready_after_load")
    of_today = source_of(store)

    new_stream = RestoreRequest(policy, source=(of_today[0], "arn:stream-9"))
    assert restore(late, DATASET, tmp_path / "a", new_stream).decision.action is Action.BOOTSTRAP
    with pytest.raises(ForeignLineage) as refused:
        restore(late, DATASET, tmp_path / "b", RestoreRequest(policy, source=("table-9", "arn")))

    assert refused.value.exit_code == 3


def source_of(store: ObjectStore) -> tuple[str, str]:
    """Table id and stream ARN of the newest snapshot."""
    entry = read_pointer(store, DATASET).catalog[0]
    lineage = read_header(store, entry).checkpoint.lineage
    return lineage.table_id, lineage.stream_arn


@pytest.mark.parametrize("content", [b"a letter to my grandmother", b"SQLite format 3\0 or not"])
def test_a_target_that_is_not_ours_is_refused(
    store: ObjectStore, produce: Produce, tmp_path: Path, content: bytes
) -> None:
    produce().publish()
    target = tmp_path / "target.db"
    target.write_bytes(content)

    with pytest.raises(Refused):
        restore(store, DATASET, target, OPERATOR)

    assert target.read_bytes() == content


def test_a_plain_database_of_somebody_else_is_refused(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    target = tmp_path / "target.db"
    with closing(sqlite3.connect(target)) as mine:
        mine.execute("CREATE TABLE letters (text)")

    with pytest.raises(WouldOverwrite, match="did not write"):
        restore(store, DATASET, target, OPERATOR)


def test_an_empty_file_at_the_target_is_no_obstacle(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    (tmp_path / "target.db").touch()

    assert restore(store, DATASET, tmp_path / "target.db", OPERATOR).snapshot_id is not None


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_whose_maker_died_before_its_first_commit_is_no_obstacle(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    snapshot_id = produce(engine).publish()
    target = tmp_path / "target"
    if engine == "duckdb":
        duckdb.connect(str(target)).close()
    else:
        with closing(sqlite3.connect(target)) as made:
            made.execute("PRAGMA journal_mode=WAL")
    assert target.stat().st_size > 0

    assert restore(store, DATASET, target, EDGE).snapshot_id == snapshot_id


def test_a_restored_file_that_was_damaged_later_is_restored_again(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    target = tmp_path / "target.db"
    restore(store, DATASET, target, OPERATOR)
    target.write_bytes(b"\0" * 100)

    restore(store, DATASET, target, EDGE)

    assert plain_rows(target, "sqlite") == rows_of(0, 500, seed=1)


# ---------------------------------------------------------------- in use


@pytest.mark.parametrize("engine", ENGINES)
def test_a_target_in_use_is_refused(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    produce(engine).publish()
    target = tmp_path / "target"
    restore(store, DATASET, target, OPERATOR)
    running = open_accelerator(engine, target, DATASET)

    try:
        with pytest.raises(FileBusy):
            restore(store, DATASET, target, REPLACE)
    finally:
        running.close()


def test_two_restores_to_one_target_do_not_meet(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    target = tmp_path / "target.db"
    work_directory(target).mkdir()
    descriptor = os.open(work_directory(target) / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    try:
        with pytest.raises(FileBusy, match="another restore"):
            restore(store, DATASET, target, OPERATOR)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_caller_that_serves_the_file_closes_it_just_before_the_switch(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer = produce(engine)
    producer.publish()
    target = tmp_path / "target"
    restore(store, DATASET, target, OPERATOR)
    producer.put(0, 600, seed=2)
    producer.publish()
    serving = open_accelerator(engine, target, DATASET)
    seen: list[int] = []

    def close() -> None:
        seen.append(serving.row_count())
        serving.close()

    request = RestoreRequest(Policy(role="edge"), local=LocalFile(), before_switch=close)
    restore(store, DATASET, target, request)

    assert seen == [500]
    assert plain_rows(target, engine) == rows_of(0, 600, seed=2)


# ---------------------------------------------------------------- disk


def test_a_volume_that_is_too_small_is_exit_12_with_both_numbers(
    store: ObjectStore, produce: Produce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    produce().publish()
    monkeypatch.setattr(staging, "free_bytes", lambda _path: 1_000_000)

    with pytest.raises(NoSpace, match=r"target\.db: needs .* MB, has 1 MB") as refused:
        restore(store, DATASET, tmp_path / "target.db", OPERATOR)

    assert refused.value.exit_code == 12
    assert not (tmp_path / "target.db").exists()


def test_a_path_below_a_file_is_exit_2(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    produce().publish()
    (tmp_path / "file").touch()

    with pytest.raises(FileUnusable) as refused:
        restore(store, DATASET, tmp_path / "file" / "target.db", OPERATOR)

    assert refused.value.exit_code == 2


# ---------------------------------------------------------------- kills


class Killed(BaseException):
    """Nothing may catch it."""


@pytest.mark.parametrize("step", ["journal", "link", "park", "rename", "origin", "done"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_kill_in_the_switch_is_finished_by_the_next_start(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine, step: str
) -> None:
    producer = produce(engine)
    producer.publish()
    target = tmp_path / "target"
    restore(store, DATASET, target, OPERATOR)
    leave_a_log(target, engine, producer.checkpoint)
    producer.put(0, 500, seed=2)
    newest = producer.publish()

    def stop(done: str) -> None:
        if done == step:
            raise Killed

    request = RestoreRequest(Policy(role="edge"), local=LocalFile())
    with pytest.raises(Killed):
        restore(store, DATASET, target, request, step=stop)
    report = restore(store, DATASET, target, EDGE)

    assert report.decision.action is Action.KEEP_LOCAL
    assert plain_rows(target, engine) == rows_of(0, 500, seed=2)
    assert not any(log.exists() and log.stat().st_size for log in sidecars(engine, target))
    origin = read_origin(target)
    assert origin is not None
    assert origin.snapshot_id == newest


def leave_a_log(target: Path, engine: Engine, checkpoint: object) -> None:
    """Write to the file and leave its log behind, as a killed node does."""
    assert callable(checkpoint)
    accelerator = open_accelerator(engine, target, DATASET)
    accelerator.apply(batch_of(rows_of(0, 1, seed=7)), checkpoint())
    log = sidecars(engine, target)[0]
    data = log.read_bytes()
    accelerator.close()
    log.write_bytes(data)
    assert data


def test_what_a_killed_restore_left_is_cleaned_and_other_work_is_not(
    store: ObjectStore, produce: Produce, tmp_path: Path
) -> None:
    snapshot_id = produce().publish()
    target = tmp_path / "target.db"
    half = staging_directory(target, str(layout.SnapshotId(1, 7, 1_780_000_000_000)))
    half.mkdir(parents=True)
    (half / "target.db").write_text("half")
    (staging_directory(target, snapshot_id)).mkdir()
    (work_directory(target) / "rebuild").mkdir()

    restore(store, DATASET, target, OPERATOR)

    left = {file.name for file in work_directory(target).iterdir()}
    assert left == {"lock", "origin.json", "previous", "rebuild"}
