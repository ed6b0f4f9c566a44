"""A real node on the simulated service, in real time: what DynamoDB Local cannot play."""

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cdc.rebuild import canonical_item
from tests.e2e.nodes import Document, Node
from tests.simulators.service import RealClock, simulated_service
from tests.simulators.shards import REGION
from tests.simulators.stream import SimulatedTable


@pytest.fixture
def table() -> SimulatedTable:
    table = SimulatedTable(RealClock(), shards=2, view_type="NEW_AND_OLD_IMAGES")
    for number in range(300):
        table.put(f"key-{number}", value=number)
    return table


@pytest.fixture
def node(table: SimulatedTable, tmp_path: Path) -> Iterator[Node]:
    with simulated_service(table) as endpoint_url:
        dataset: Document = {
            "from": f"dynamodb:{table.name}",
            "name": "routes",
            "params": {"dynamodb_aws_region": REGION, "endpoint_url": endpoint_url},
            "acceleration": {"snapshots": "disabled"},
        }
        document: Document = {"version": "v1", "datasets": [dataset]}
        environment = {"AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated"}
        node = Node(tmp_path / "node", document, environment)
        yield node
        node.kill()


def scans(table: SimulatedTable) -> int:
    return sum(call.action == "Scan" for call in table.served)


def test_a_node_that_is_killed_follows_splits_rollovers_and_expiry_to_the_end(
    table: SimulatedTable, node: Node
) -> None:
    stop, numbers = threading.Event(), count()

    def write() -> None:
        while not stop.wait(0.02):
            number = next(numbers)
            table.put(f"key-{number * 7 % 400}", value=-number)
            table.delete(f"key-{number * 13 % 400}", ttl=number % 3 == 0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        node.start().wait_ready()
        scanned = scans(table)
        table.split(table.open_shards()[0].shard_id)
        node.wait_for_records(int(node.status()["records_total"]) + 50)
        node.kill()
        table.rollover()
        node.start().wait_ready()
        assert isinstance(table.clock, RealClock)
        table.clock.advance(16 * 60)
        node.wait_until("a new iterator", lambda: "ExpiredIteratorException" in codes(table))
    finally:
        stop.set()
        writer.join()
    for number in range(20):  # so that each shard has a last one
        table.put(f"last-{number}", value=number)
    for number in range(20):
        node.wait_for_item([f"last-{number}"], table.items[f"last-{number}"])
    node.stop()

    assert scans(table) == scanned > 0
    assert sorted(map(str, node.items().values())) == sorted(
        str(canonical_item(item)) for item in table.items.values()
    )


def codes(table: SimulatedTable) -> set[str]:
    return {call.code for call in table.served}


def test_the_doctor_finds_the_simulated_service_in_order(node: Node) -> None:
    endpoint_url = node.dataset["params"]["endpoint_url"]
    words = ["--table", "routes", "--region", REGION, "--endpoint-url", endpoint_url]

    done = node.verb("doctor", *words)

    assert done.code == 0, done.out + done.err
    assert "key id (S), 300 items" in done.out
    assert "FAIL" not in done.out.upper()
