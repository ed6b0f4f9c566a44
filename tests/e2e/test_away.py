"""A real process that lives through hours without anything upstream, on a clock that is moved.

The node and DynamoDB Local share that clock: hours pass between two lines of the test. Only the
time of day moves; monotonic time stays the machine's, so that time-outs and pauses take what they
take. The store keeps the machine's time, which nothing here depends on.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.nodes import Document, Node, bucket, differences, table_items, table_params
from tests.servers.moving_clock import MovingClock
from tests.servers.proxy import FaultProxy, fault_proxy
from tests.servers.seaweedfs import SeaweedFS

ROOT = Path(__file__).parents[2]
MOVED = Path(__file__).parent / "moved"
ROWS = 40
COUNT = 'select count(*) as n from "away"'


@dataclass
class Upstream:
    """The table and the bucket, each behind a door."""

    clock: MovingClock
    doors: tuple[FaultProxy, FaultProxy]
    table: str
    document: Document

    def put(self, number: int) -> None:
        item = {"id": {"S": f"k-{number}"}, "v": {"N": str(number)}}
        self.clock.server.dynamodb().put_item(TableName=self.table, Item=item)

    def close(self) -> None:
        for door in self.doors:
            door.close()

    def open(self) -> None:
        for door in self.doors:
            door.exchanges.clear()
            door.open()

    def actions(self) -> set[str]:
        """What was asked of the table since it was opened."""
        return {exchange.action for exchange in self.doors[0].exchanges}


@pytest.fixture
def upstream(dynamodb_local_moving: MovingClock, seaweedfs: SeaweedFS) -> Iterator[Upstream]:
    server = dynamodb_local_moving.server
    with ExitStack() as stack:
        doors = (
            stack.enter_context(fault_proxy(server.endpoint_url)),
            stack.enter_context(fault_proxy(seaweedfs.endpoint_url)),
        )
        near = dataclasses.replace(server, endpoint_url=doors[0].endpoint_url)
        store = dataclasses.replace(seaweedfs, endpoint_url=doors[1].endpoint_url)
        name = server.table("away").name
        document: Document = {
            "version": "v1",
            "snapshots": bucket(store, "away"),
            "datasets": [
                {
                    "from": f"dynamodb:{name}",
                    "name": "away",
                    "params": table_params(near),
                    "acceleration": {
                        "snapshots": "enabled",
                        "snapshots_trigger_threshold": "1s",
                        "engine": "sqlite",
                    },
                }
            ],
        }
        made = Upstream(dynamodb_local_moving, doors, name, document)
        for number in range(ROWS):
            made.put(number)
        yield made


def test_a_node_serves_through_six_hours_without_upstream_and_two_restarts(
    upstream: Upstream, make_node: Callable[..., Node]
) -> None:
    environment = {
        "PYTHONPATH": f"{MOVED}{os.pathsep}{ROOT}",
        "SNOWMELT_TEST_CLOCK": str(upstream.clock.file),
    }
    node = make_node("node", upstream.document, environment).start().wait_ready()
    node.wait_for_snapshot()
    began = node.status()["watermark"]

    upstream.close()
    for process in range(3):
        if process:
            assert node.stop() == 0
            node.start()
        node.wait_until("trouble", lambda: node.answers() and bool(node.status()["errors_total"]))
        upstream.clock.advance(hours=2)
        upstream.put(ROWS + process)
        node.wait_until("a stale answer", lambda: node.stale_sql(COUNT) == ([{"n": ROWS}], True))
        node.wait_until("a problem is told", lambda: node.status()["problem"] is not None)
        assert node.is_ready()
        # A connection may be cut before an answer or within one.
        message = node.status()["problem"]["message"]
        assert "no answer from" in message or " sent 0 of " in message
    assert node.status()["checkpoint_age_seconds"] > 6 * 3600 - 60

    upstream.open()

    node.wait_until("the rows of now", lambda: node.stale_sql(COUNT) == ([{"n": ROWS + 3}], False))
    assert node.status()["watermark"] > began + 6 * 3600 - 60
    node.wait_for_snapshot()
    assert "GetRecords" in upstream.actions()
    assert "Scan" not in upstream.actions()
    assert len(node.events("scan_ended")) == 1
    assert node.stop() == 0
    table = table_items(upstream.clock.server, upstream.table, ["id"])
    assert differences(table, node.items()) == ""
