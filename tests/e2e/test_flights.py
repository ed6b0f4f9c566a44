"""336,776 real flights, the whole way: table, node, bucket, new node, changes; item by item.

By default a slice of 20,000 flights and 2,000 changes; with `--full` all of them and 20,000.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.changes import change
from tests.e2e.nodes import Document, Key, Node, bucket, differences, table_items, table_params
from tests.flights import FLIGHTS, KEYS, Item, flights, load
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.seaweedfs import SeaweedFS

pytestmark = pytest.mark.timeout(1800)  # DynamoDB Local loads 400 to 2,000 items a second
KEY_NAMES = tuple(name for name, _ in KEYS)


@dataclass
class Loaded:
    """A table of flights that the tests of this module share, each with flights of its own."""

    server: DynamoDBLocal
    table: str
    rows: int
    changes: int
    # DynamoDB Local reads the whole segment for each page: one page a segment.
    segments: int
    changed: int = 0
    _items: dict[Key, Item] | None = None

    def change(self) -> int:
        """Change flights that no test has changed; returns how many."""
        start = self.changed
        self.changed += self.changes
        self._items = None
        return change(self.server, self.table, flights(start, self.changed), seed=start)

    def items(self) -> dict[Key, Item]:
        """By a Scan, which takes seconds: done again only after a change."""
        if self._items is None:
            self._items = table_items(self.server, self.table, KEY_NAMES, self.segments)
        return self._items


@pytest.fixture(scope="module")
def loaded(
    dynamodb_local_server: DynamoDBLocal, request: pytest.FixtureRequest
) -> Iterator[Loaded]:
    is_full = bool(request.config.getoption("--full"))
    rows, changes = (FLIGHTS, 20_000) if is_full else (20_000, 2_000)
    server = dynamodb_local_server.alone()
    table = server.table("flights", keys=KEYS).name
    assert load(server, table, flights(0, rows)) == rows
    yield Loaded(server, table, rows, changes, segments=rows // 4_000)
    server.dynamodb().delete_table(TableName=table)


def _document(
    loaded: Loaded, snapshots: Document, *, engine: str, mode: str, path: Path
) -> Document:
    return {
        "version": "v1",
        "name": "flights",
        "snapshots": snapshots,
        "datasets": [
            {
                "from": f"dynamodb:{loaded.table}",
                "name": "flights",
                "params": table_params(loaded.server, scan_segments=loaded.segments),
                "acceleration": {
                    "engine": engine,
                    "path": str(path),
                    "snapshots": mode,
                    "snapshots_trigger_threshold": "1h",
                },
            }
        ],
    }


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_node_restored_from_a_snapshot_follows_and_equals_the_table_item_by_item(
    engine: str,
    loaded: Loaded,
    seaweedfs: SeaweedFS,
    make_node: Callable[..., Node],
    tmp_path: Path,
) -> None:
    snapshots = bucket(seaweedfs, f"flights-{engine}")

    def node(name: str, mode: str) -> Node:
        path = tmp_path / name / f"flights.{engine}"
        return make_node(name, _document(loaded, snapshots, engine=engine, mode=mode, path=path))

    before = loaded.items()
    central = node("central", "enabled").start().wait_ready()
    central.wait_for_snapshot()
    if engine == "sqlite":  # one centre goes on beside the new node, one is gone
        assert central.stop() == 0
        assert differences(before, central.items()) == ""

    restored = node("restored", "bootstrap_only").start().wait_ready()
    _assert_restored_without_a_scan(restored, rows=len(before))
    followers = {"duckdb": [central, restored], "sqlite": [restored]}[engine]
    records = [follower.status()["records_total"] for follower in followers]
    changes = loaded.change()
    after = loaded.items()

    assert before != after
    for follower, so_far in zip(followers, records, strict=True):
        follower.wait_for_records(so_far + changes)
        assert follower.stop() == 0, follower.with_log("did not end well")
        assert differences(after, follower.items()) == "", follower.with_log("differs")


def _assert_restored_without_a_scan(node: Node, *, rows: int) -> None:
    status = node.status()
    assert status["restore"]["decision"] == "restore"
    assert status["restore"]["row_count"] == rows
    assert status["state"] == "ready"
    assert [event["bootstrap"] for event in node.events("capture_started")] == [False]
    assert node.events("scan_ended") == []
