"""The publishing side of a dataset, on real files and a real folder: when, and when not."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdc.accelerator import Accelerator
from cdc.capture_status import CaptureStatus, ScanStatus
from cdc.checkpoint import Checkpoint
from cdc.engines import open_accelerator
from restorer.facts import LocalFile
from snapshotter.errors import NothingToSnapshot
from snapshotter.format import Pointer
from snapshotter.reader import read_pointer
from snowmelt.coldstart import bootstrapping_elsewhere
from snowmelt.config_file import parse
from snowmelt.producer import Producer
from snowmelt.report import Snapshotable
from snowmelt.wiring import DatasetPlan, wire
from tests.restorer.accelerators import DATASET, KEYS, batch_of, rows_of
from tests.snapshotter.images import checkpoint

PATIENCE_SECONDS = 90.0


def plan_of(folder: Path, **acceleration: Any) -> DatasetPlan:
    document = {
        "version": "v1",
        "snapshots": {"location": f"file://{folder / 'bucket'}"},
        "datasets": [
            {
                "from": f"dynamodb:{DATASET}",
                "name": DATASET,
                "params": {"dynamodb_aws_region": "us-east-1"},
                "acceleration": {
                    "path": str(folder / "live.duckdb"),
                    "snapshots": "enabled",
                    **acceleration,
                },
            }
        ],
    }
    config = parse(yaml.safe_dump(document), {}, "test").config
    return wire(config, config.datasets[0])


@dataclass
class Node:
    """A file with a producer; what capture would say is set by the test."""

    plan: DatasetPlan
    file: Accelerator
    status: CaptureStatus = field(default_factory=CaptureStatus)
    fenced: int = 0
    version: int = 0

    def __post_init__(self) -> None:
        self.producer = Producer(
            self.plan,
            lambda: Snapshotable(self.file, self.status),
            lambda: self.status,
            self._on_fenced,
        )

    def _on_fenced(self) -> None:
        self.fenced += 1

    def commit(
        self, *, version: int | None = None, generation: int | None = None, batches: int = 1
    ) -> Checkpoint:
        """One batch of a table that is caught up. `batches`: as how many it counts."""
        self.version = self.version + 1 if version is None else version
        now = time.time()
        taken = self.producer.status().generation or 1
        at = checkpoint(now, self.version, generation=generation or taken)
        self.file.apply(batch_of(rows_of(0, 20, self.version)), at)
        self.status = replace(
            self.status,
            phase="following",
            ready=True,
            checkpoint=at,
            scan=ScanStatus(segments=1, segments_done=1, ended_at=now - 30),
            batches_total=self.status.batches_total + batches,
        )
        return at

    def pointer(self) -> Pointer:
        assert self.plan.store is not None
        return read_pointer(self.plan.store, DATASET)

    def published(self) -> int:
        return self.producer.status().published_total


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Accelerator]:
    opened = open_accelerator("duckdb", tmp_path / "live.duckdb", DATASET, keys=KEYS, create=True)
    yield opened
    opened.close()


@pytest.fixture
def node(tmp_path: Path, file: Accelerator) -> Node:
    return Node(plan_of(tmp_path, snapshots_trigger_threshold="1s"), file)


def test_the_first_snapshot_comes_once_the_file_is_ready_and_the_next_with_changes(
    node: Node,
) -> None:
    node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)
        time.sleep(2.5)
        assert node.published() == 1  # nothing changed
        node.commit()
        wait_until(lambda: node.published() == 2)

    assert [entry.version for entry in node.pointer().catalog] == [2, 1]


def test_commits_without_records_are_no_changes(node: Node) -> None:
    node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)
        node.commit(batches=0)  # at once, because the producer may look at any moment
        time.sleep(2.5)

    assert node.published() == 1


def test_batches_since_the_snapshot_are_counted(tmp_path: Path, file: Accelerator) -> None:
    plan = plan_of(tmp_path, snapshots_trigger="stream_batches", snapshots_trigger_threshold="3")
    node = Node(plan, file)
    node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)
        for _ in range(2):
            node.commit()
        time.sleep(1.5)
        assert node.published() == 1
        node.commit()
        wait_until(lambda: node.published() == 2)


def test_a_restarted_node_counts_from_the_snapshot_in_the_bucket(
    tmp_path: Path, file: Accelerator
) -> None:
    hourly = plan_of(tmp_path, snapshots_trigger_threshold="1h")
    node = Node(hourly, file)
    at = node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)

    again = Node(hourly, file, status=node.status, version=at.version)
    with again.producer.running():
        wait_until(lambda: again.producer.status().generation == 2)
        time.sleep(1.5)

    assert again.published() == 0


def test_what_stops_gives_up_a_publish_and_counts_no_failure(node: Node) -> None:
    node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)

    with pytest.raises(NothingToSnapshot, match="the node is stopping"):
        node.producer.publish("asked for")
    assert node.producer.status().failed_total == 0
    assert node.published() == 1


def test_a_taken_over_producer_stops_and_says_so_once(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A renewal that is due first would meet the loss, and no publish would fail.
    monkeypatch.setattr("snapshotter.lease.renewal_seconds", lambda _seconds: 600.0)
    node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)
        other = Node(node.plan, node.file, status=node.status)
        other.producer.announce_bootstrap()
        node.commit()
        wait_until(lambda: node.producer.status().fenced)
        time.sleep(1.5)

    assert node.fenced == 1
    assert node.producer.status().failed_total == 1


def test_a_file_behind_the_bucket_is_held_and_not_fenced(tmp_path: Path, file: Accelerator) -> None:
    plan = plan_of(tmp_path, snapshots_trigger_threshold="1s")
    ahead = Node(plan, file)
    ahead.commit(version=9)
    with ahead.producer.running():
        wait_until(lambda: ahead.published() == 1)
    path = tmp_path / "behind.duckdb"
    behind = Node(plan, open_accelerator("duckdb", path, DATASET, keys=KEYS, create=True))
    behind.commit(version=3, generation=1)
    with behind.producer.running():
        wait_until(lambda: bool(behind.producer.status().held_because))
    behind.file.close()

    assert "does not cover" in behind.producer.status().held_because[0]
    assert not behind.producer.status().fenced


def test_a_bootstrap_is_told_to_others_until_its_snapshot_is_there(
    node: Node,
) -> None:
    other = replace(node.plan)
    vars(other)["holder"] = "another host/1"  # it is found out once, from this process
    node.producer.announce_bootstrap()
    assert bootstrapping_elsewhere(node.plan, LocalFile()) is None
    assert bootstrapping_elsewhere(other, LocalFile()) == "waiting: writer bootstrapping 0 %"
    neighbour = replace(node.plan)
    vars(neighbour)["holder"] = f"{socket.gethostname()}/{os.getppid()}"
    assert bootstrapping_elsewhere(neighbour, LocalFile()) == "waiting: writer bootstrapping 0 %"

    node.commit()
    with node.producer.running():
        wait_until(lambda: node.published() == 1)

    assert bootstrapping_elsewhere(other, LocalFile()) is None


def test_a_process_of_this_machine_that_died_is_waited_for_no_longer_than_three_heartbeats(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    dead = replace(node.plan)
    vars(dead)["holder"] = f"{socket.gethostname()}/{process.pid}"
    Node(dead, node.file, status=node.status).producer.announce_bootstrap()
    assert bootstrapping_elsewhere(node.plan, LocalFile()) is not None
    monkeypatch.setattr("snowmelt.coldstart.ORPHANED_SECONDS", 0.0)

    assert bootstrapping_elsewhere(node.plan, LocalFile()) is None
