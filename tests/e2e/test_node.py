"""Stories of a node's life, on real processes: ends, kills, two at a time, an old file."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.ageing import SCAN
from tests.e2e.nodes import Document, Node, differences, table_items, table_params
from tests.flights import KEYS, Item, flights, load
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.turnstile import Turnstile, turnstile

KEY_NAMES = tuple(name for name, _ in KEYS)
ROWS = 600
SEGMENTS = 4  # a page each: two of them are held back where a scan has to be under way
PASSING = 2


@dataclass(frozen=True)
class Table:
    """A table of 600 flights for one test, and the way to it that nodes take."""

    server: DynamoDBLocal
    name: str
    gate: Turnstile
    address: str

    def put(self, number: int, **attributes: dict[str, Any]) -> Item:
        """Put a flight that the table had not, or put over one that it had."""
        item: Item = {**next(flights(number, number + 1)), **attributes}
        self.server.dynamodb().put_item(TableName=self.name, Item=item)
        return item

    def items(self) -> dict[tuple[str, ...], Item]:
        return table_items(self.server, self.name, KEY_NAMES)

    def node(self, snapshots: Document | None = None, mode: str = "enabled") -> Any:
        """The configuration of a node with this table."""
        acceleration = {
            "snapshots": mode if snapshots else "disabled",
            "snapshots_trigger_threshold": "1s",
        }
        section = {
            "from": f"dynamodb:{self.name}",
            "name": "flights",
            "params": table_params(self.server, scan_segments=SEGMENTS)
            | {"endpoint_url": self.address},
            "acceleration": acceleration,
        }
        document: Document = {"version": "v1", "datasets": [section]}
        return {**document, "snapshots": snapshots} if snapshots else document


def would_do(node: Node) -> str:
    """What a start would do now."""
    return str(node.verb("explain", "--json").json()["action"])


def key_of(item: Item) -> list[str]:
    return [item[name]["S"] for name in KEY_NAMES]


@pytest.fixture
def table(dynamodb_local: DynamoDBLocal) -> Iterator[Table]:
    name = dynamodb_local.table("flights", keys=KEYS).name
    load(dynamodb_local, name, flights(0, ROWS))
    with turnstile(dynamodb_local.endpoint_url) as (gate, address):
        yield Table(dynamodb_local, name, gate, address)


@pytest.fixture
def folder(tmp_path: Path) -> Document:
    """The `snapshots` section for a folder."""
    return {"location": f"file://{tmp_path / 'bucket'}"}


def test_sigterm_ends_a_node_with_0_and_the_next_one_goes_on_without_a_scan(
    table: Table, make_node: Callable[..., Node]
) -> None:
    node = make_node("node", table.node()).start().wait_ready()
    lineage = node.status()["lineage_id"]
    assert node.stop() == 0
    missed = table.put(ROWS + 1)

    node.start().wait_ready()

    node.wait_for_item(key_of(missed), missed)
    assert node.status()["lineage_id"] == lineage
    assert [event["bootstrap"] for event in node.events("capture_started")] == [True, False]
    assert node.stop() == 0
    assert differences(table.items(), node.items()) == ""


def test_sigterm_during_a_bootstrap_ends_a_node_with_0(
    table: Table, make_node: Callable[..., Node]
) -> None:
    table.gate.hold(SCAN, after=PASSING)
    node = make_node("node", table.node()).start()
    node.wait_until("a part of the scan", lambda: _rows_scanned(node) > 0)

    assert node.stop() == 0
    assert len(node.events("scan_ended")) == 0


def test_a_bootstrap_goes_on_where_a_kill_stopped_it(
    table: Table, make_node: Callable[..., Node], folder: Document
) -> None:
    table.gate.hold(SCAN, after=PASSING)
    node = make_node("node", table.node(folder)).start()
    node.wait_until("a part of the scan", lambda: _rows_scanned(node) > 0)
    lineage = node.status()["lineage_id"]
    node.kill()
    table.gate.let_go()

    node.start().wait_ready()

    assert node.status()["lineage_id"] == lineage  # a new bootstrap would be another
    assert [event["bootstrap"] for event in node.events("capture_started")] == [True, False]
    assert [event["rows"] for event in node.events("scan_ended")] == [ROWS]
    assert node.stop() == 0
    assert differences(table.items(), node.items()) == ""


def _rows_scanned(node: Node) -> int:
    scan = node.status()["scan"] if node.answers() else None
    return 0 if scan is None else int(scan["rows"])


def test_of_two_nodes_on_an_empty_bucket_one_loads_the_table_and_one_waits_for_its_snapshot(
    table: Table, make_node: Callable[..., Node], folder: Document
) -> None:
    table.gate.hold(SCAN, after=PASSING)
    pair = [make_node(name, table.node(folder)) for name in ("a", "b")]
    for node in pair:
        node.start()
    waiting = "waiting: writer bootstrapping"

    def is_waiting(node: Node) -> bool:
        problem = node.status()["problem"] if node.answers() else None
        return problem is not None and problem["message"].startswith(waiting)

    waits: list[Node] = []

    def one_waits() -> bool:
        waits.extend(filter(is_waiting, pair))
        return bool(waits)

    pair[0].wait_until("one of the two waits", one_waits)
    second = waits[0]
    first = pair[1] if second is pair[0] else pair[0]
    assert not second.is_ready()
    table.gate.let_go()

    first.wait_ready()
    second.wait_ready()

    assert first.status()["restore"]["decision"] == "bootstrap"
    assert second.status()["restore"]["decision"] == "restore"
    assert second.events("scan_ended") == []
    for node in pair:
        assert node.stop() == 0
        assert differences(table.items(), node.items()) == ""


def test_a_stopped_node_s_file_is_published_by_the_verb(
    table: Table, make_node: Callable[..., Node], folder: Document
) -> None:
    node = make_node("node", table.node(folder)).start().wait_ready()
    first = node.wait_for_snapshot()["last_id"]
    assert node.stop() == 0

    done = node.verb("snapshots", "create", "--json")

    assert done.code == 0, done.err
    listed = node.verb("snapshots", "list", "--json").json()
    assert [entry["snapshot_id"] for entry in listed] == [done.json()["snapshot_id"], first]
    assert listed[0]["generation"] == 2


def test_an_expired_file_is_served_and_labelled_while_a_new_one_is_built(
    table: Table, make_node: Callable[..., Node]
) -> None:
    node = make_node("node", table.node()).start().wait_ready()
    old = node.status()["lineage_id"]
    assert node.stop() == 0
    missed = table.put(ROWS + 1)
    node.dataset["params"] |= {
        "near_expired_after": "1s",
        "expired_after": "1s",
        "dynamodb_stream_shard_not_found_behavior": "ready_before_load",
    }
    count = 'select count(*) as n from "flights"'
    # A node may be up again within the second in which this file expires.
    while would_do(node) == "keep_local":
        time.sleep(0.1)
    table.gate.hold(SCAN)

    node.start()

    node.wait_until("a stale answer", lambda: node.stale_sql(count) == ([{"n": ROWS}], True))
    assert node.is_ready()
    assert node.status()["stale"]
    assert node.status()["lineage_id"] == old
    table.gate.let_go()
    node.wait_until("the new file", lambda: node.stale_sql(count) == ([{"n": ROWS + 1}], False))
    assert node.status()["lineage_id"] != old
    assert node.get(key_of(missed)) is not None
    assert node.stop() == 0
    assert differences(table.items(), node.items()) == ""
