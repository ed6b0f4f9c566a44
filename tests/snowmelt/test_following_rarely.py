"""Edges in rarer circumstances: another table, another engine, another role before, real S3."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cdc.engines import open_accelerator, sidecars
from snapshotter import layout
from snapshotter.errors import ObjectMissing
from snapshotter.reader import read_header, read_pointer
from snowmelt.rejections import Rejected
from tests.restorer.accelerators import DATASET, KEYS, batch_of, rows_of
from tests.restorer.published import directory_store
from tests.restorer.stores import bucket_store
from tests.servers import faults
from tests.servers.proxy import fault_proxy
from tests.servers.seaweedfs import SeaweedFS
from tests.snapshotter.images import checkpoint, lineage
from tests.snowmelt.edges import Centre, Edge

ROWS = 120


def centre_at(home: Path, name: str = "bucket", **fields: object) -> Centre:
    store = directory_store(home / name)
    centre = Centre(store, home / f"{name}.db", "sqlite", **fields)  # type: ignore[arg-type]
    centre.publish_change(0, ROWS)
    return centre


def test_snapshots_of_another_table_are_refused_and_what_is_served_stays(tmp_path: Path) -> None:
    mine = centre_at(tmp_path)
    edge = Edge(tmp_path, mine.store).start()
    mine.close()
    shutil.rmtree(tmp_path / "bucket")
    other = centre_at(tmp_path, lineage=lineage(table_id="table-2"))

    edge.look()

    problem = edge.status().problem
    assert problem is not None
    assert problem.exit_code == 3
    assert problem.next_try_at is not None
    assert edge.status().state == "ready"
    assert edge.rows() == mine.rows[1]
    edge.stop()
    other.close()


@pytest.mark.parametrize("stream", [lineage().stream_arn, "arn:of-one-that-was-enabled-anew"])
def test_a_new_bootstrap_of_the_same_table_is_followed(tmp_path: Path, stream: str) -> None:
    centre = centre_at(tmp_path)
    edge = Edge(tmp_path, centre.store).start()
    centre.close()
    anew = replace(lineage(), epoch="20260901T000000Z-bbbb", stream_arn=stream)
    again = Centre(centre.store, tmp_path / "again.db", "sqlite", lineage=anew)
    again.publish_change(0, ROWS // 2)

    edge.look()

    assert edge.rows() == again.rows[1] != centre.rows[1]
    edge.stop()
    again.close()


def test_snapshots_of_another_engine_are_waited_out(tmp_path: Path) -> None:
    centre = centre_at(tmp_path)
    edge = Edge(tmp_path, centre.store, "duckdb").start()

    status = edge.status()

    assert (status.state, status.ready) == ("waiting", False)
    assert "of engine sqlite, this node has duckdb" in (status.not_ready_because or "")
    edge.stop()
    centre.close()


def test_a_file_of_another_program_is_never_written_over(tmp_path: Path) -> None:
    centre = centre_at(tmp_path)
    edge = Edge(tmp_path, centre.store)
    edge.path.parent.mkdir(parents=True)
    edge.path.write_bytes(b"somebody else's")

    edge.start()

    assert edge.status().state == "error"
    problem = edge.status().problem
    assert problem is not None
    assert problem.exit_code == 3
    assert edge.path.read_bytes() == b"somebody else's"
    edge.stop()
    centre.close()


def test_what_a_node_of_another_role_left_in_its_log_is_served(tmp_path: Path) -> None:
    centre = centre_at(tmp_path)
    edge = Edge(tmp_path, centre.store)
    edge.path.parent.mkdir(parents=True)
    file = open_accelerator("sqlite", edge.path, DATASET, keys=KEYS, create=True)
    newer = checkpoint(centre.store.now(), 7)
    file.apply(batch_of([*rows_of(0, 9, seed=3), ("mark", 7, "")]), newer)
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in (edge.path, *sidecars("sqlite", edge.path)[:1]):
        shutil.copy(name, killed)
    file.close()
    for left in killed.iterdir():
        shutil.copy(left, edge.path.parent)
    assert sidecars("sqlite", edge.path)[0].stat().st_size > 0

    edge.start()

    assert edge.rows()["mark"] == 7
    assert edge.status().version == 7
    assert not sidecars("sqlite", edge.path)[0].exists()
    edge.stop()
    centre.close()


def test_a_snapshot_that_is_not_copied_whole_yet_is_tried_again_after_minutes(
    tmp_path: Path,
) -> None:
    centre = centre_at(tmp_path)
    edge = Edge(tmp_path, centre.store).start()
    newer = centre.publish_change(0, 50)
    entry = read_pointer(centre.store, DATASET).entry(newer)
    assert entry is not None
    packs = [key for key in read_header(centre.store, entry).packs if newer in key]

    def missing(_number: int, name: str, key: str) -> None:
        if key in packs:
            raise ObjectMissing(f"{name} {key}: not there")

    edge.store._before = missing
    edge.look()
    assert edge.follow["rejected"] == [newer]
    edge.store._before = lambda *_: None
    edge.look()
    assert edge.rows() == centre.rows[1]
    record = edge.path.parent / "live.db.d" / "rejected.json"
    kept = json.loads(record.read_text())
    edge.stop()
    kept["rejected"][0]["at"] -= 301
    record.write_text(json.dumps(kept))

    edge.start()

    assert edge.rows() == centre.rows[2]
    edge.stop()
    centre.close()


def test_what_was_rejected_counts_for_as_long_as_its_fault_may_last() -> None:
    damaged = Rejected("a", "blake3:1", 5, "why", 1000.0)
    missing, unreadable = replace(damaged, exit_code=4), replace(damaged, exit_code=11)
    offered = {"a": "blake3:1"}

    for rejected, seconds in ((damaged, 3600.0), (missing, 300.0), (unreadable, 3600.0)):
        assert rejected.counts(offered, 1000.0 + seconds - 1)
        assert not rejected.counts(offered, 1000.0 + seconds)
        assert not rejected.counts(offered, 1000.0 - seconds)  # a clock that was set back
    assert not damaged.counts({"a": "blake3:2"}, 1001.0)
    assert not damaged.counts({}, 1001.0)


@pytest.mark.seaweedfs
def test_on_a_real_store_an_idle_look_is_one_304_and_a_storm_is_waited_out(
    tmp_path: Path, seaweedfs: SeaweedFS
) -> None:
    bucket = seaweedfs.bucket("edges")
    centre = Centre(bucket_store(seaweedfs, bucket), tmp_path / "centre.db", "sqlite")
    centre.publish_change(0, ROWS)
    with fault_proxy(seaweedfs.endpoint_url) as proxy:
        reader = replace(seaweedfs, endpoint_url=proxy.endpoint_url)
        edge = Edge(tmp_path, bucket_store(reader, bucket, read_only=True)).start()
        assert edge.rows() == centre.rows[1]
        proxy.exchanges.clear()

        edge.look().look()

        pointer = layout.pointer_key(DATASET)
        assert [(each.method, each.status) for each in proxy.exchanges] == [("GET", 304)] * 2
        assert all(each.path.endswith(pointer) for each in proxy.exchanges)
        centre.publish_change(0, 50)
        proxy.fail(faults.SLOW_DOWN, faults.on("GET", "/packs/"))
        edge.look()
        problem = edge.status().problem
        assert problem is not None
        assert problem.exit_code == 8
        assert edge.rows() == centre.rows[1]
        proxy.heal()
        edge.look()
        assert edge.rows() == centre.rows[2]
        assert edge.status().problem is None
        edge.stop()
    centre.close()


def test_an_edge_keeps_to_the_limit_that_its_host_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger"
    monkeypatch.setattr("restorer.bandwidth.host_ledger", lambda: ledger)
    centre = centre_at(tmp_path)
    free = Edge(tmp_path / "free", centre.store).start()
    free.stop()
    assert not ledger.exists()

    limited = Edge(tmp_path / "limited", centre.store)
    limited.document["snapshots"] |= {"bandwidth": 50}  # type: ignore[operator]
    limited.start()
    limited.stop()
    centre.close()

    assert ledger.exists()
