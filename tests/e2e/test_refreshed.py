"""A table without a stream, on real processes: loaded, read anew when due, published, restored."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.ageing import SCAN, Copy
from tests.e2e.nodes import Document, Key, Node, differences, table_items, table_params
from tests.flights import Item
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.turnstile import Turnstile, turnstile

ROWS = 60
_NAMES = {"ducks": "duckdb", "lites": "sqlite"}


@dataclass
class Place:
    """A table without a stream, and the way to it that nodes take."""

    server: DynamoDBLocal
    name: str
    gate: Turnstile
    address: str
    bucket: Path

    def put(self, number: int, value: str) -> Item:
        item: Item = {"id": {"S": f"k-{number}"}, "v": {"S": value}}
        self.server.dynamodb().put_item(TableName=self.name, Item=item)
        return item

    def delete(self, number: int) -> None:
        self.server.dynamodb().delete_item(TableName=self.name, Key={"id": {"S": f"k-{number}"}})

    def items(self) -> dict[Key, Item]:
        return table_items(self.server, self.name, ["id"])

    def document(self, interval: str, snapshots: str, **params: object) -> Document:
        """A node that has the table once in each engine."""
        through = replace(self.server, endpoint_url=self.address)
        return {
            "version": "v1",
            "snapshots": {"location": f"file://{self.bucket}"},
            "datasets": [
                {
                    "from": f"dynamodb:{self.name}",
                    "name": name,
                    "params": table_params(through, **params),
                    "acceleration": {
                        "engine": engine,
                        "refresh_mode": "full",
                        "refresh_check_interval": interval,
                        "snapshots": snapshots,
                    },
                }
                for name, engine in _NAMES.items()
            ],
        }


@pytest.fixture
def place(dynamodb_local: DynamoDBLocal, tmp_path: Path) -> Iterator[Place]:
    table = dynamodb_local.table("unstreamed", view=None)
    with turnstile(dynamodb_local.endpoint_url) as (gate, address):
        made = Place(dynamodb_local, table.name, gate, address, tmp_path / "bucket")
        for number in range(ROWS):
            made.put(number, "old")
        yield made


def copies_of(node: Node, gate: Turnstile) -> list[Copy]:
    return [Copy(node, number, gate) for number in range(len(_NAMES))]


@pytest.mark.slow
def test_a_table_without_a_stream_is_served_read_anew_published_and_restored(
    place: Place, make_node: Callable[..., Node]
) -> None:
    node = make_node("writer", place.document("1s", "enabled")).start()
    copies = copies_of(node, place.gate)
    for copy in copies:
        copy.wait_ready()
        copy.wait_for_any_answer(ROWS)

    for number in range(10):
        place.delete(number)
    changed = [place.put(number, "new") for number in range(10, 20)]
    for copy in copies:
        copy.wait_for_any_answer(ROWS - 10)
        copy.wait_for(changed[-1])
        status = copy.status()
        assert (status["lag_ms"], status["shards"], status["resumable_until"]) == (None, {}, None)
        assert status["refresh"]["data_at"] == status["watermark"]

    # What is served stays while the next file is loaded, and over a kill in the midst of that.
    place.gate.hold(SCAN)
    node.wait_until("refreshes", lambda: place.gate.held >= len(copies))
    newest = place.put(1000, "newest")  # only now no scan is under way that could meet it
    for copy in copies:
        copy.wait_for_count(ROWS - 10, is_stale=True)
        assert copy.status()["ready"]
    node.kill()
    node.start()
    for copy in copies:
        copy.wait_ready()
        copy.wait_for_count(ROWS - 10, is_stale=True)
    place.gate.let_go()
    for copy in copies:
        copy.wait_for(newest)
        _wait_for_its_snapshot(copy)
    wanted = place.items()
    _stop_when_equal(node, wanted, place.gate)

    # New nodes start from the bucket, and read nothing before it is due.
    scans = place.gate.calls[SCAN]
    reader = make_node("reader", place.document("1h", "bootstrap_only"))
    edge = make_node("edge", {**place.document("1h", "enabled"), "runtime": {"role": "edge"}})
    for new in (reader, edge):
        new.start()
    for copy in (*copies_of(reader, place.gate), *copies_of(edge, place.gate)):
        _is_restored(copy, len(wanted))
    explained: list[Document] = []

    def is_a_second_old() -> bool:  # the service tells whole seconds
        explained.append(reader.verb("explain", "--dataset", "ducks", "--json").json())
        return bool(explained[-1]["numbers"]["age_seconds"] > 0)

    reader.wait_until("an age", is_a_second_old)
    assert {each["action"] for each in explained} == {"keep_local"}
    assert explained[-1]["numbers"]["age_seconds"] < 3600
    for new in (reader, edge):
        _stop_when_equal(new, wanted, place.gate)
    assert place.gate.calls[SCAN] == scans


def _wait_for_its_snapshot(copy: Copy) -> None:
    """Until one was begun and published: the next but one that is finished."""
    published = copy.status()["snapshot"]["published_total"]
    copy.wait_until(
        "a snapshot", lambda: copy.status()["snapshot"]["published_total"] >= published + 2
    )


def _is_restored(copy: Copy, rows: int) -> None:
    copy.wait_ready()
    copy.wait_for_count(rows)
    assert copy.status()["restore"]["decision"] == "restore"
    assert copy.status()["lag_ms"] is None


def _stop_when_equal(node: Node, wanted: dict[Key, Item], gate: Turnstile) -> None:
    assert node.stop() == 0
    for copy in copies_of(node, gate):
        assert differences(wanted, copy.items()) == "", copy.name


def test_a_load_that_was_killed_goes_on_where_it_stopped_and_is_asked_for_slowly(
    place: Place, make_node: Callable[..., Node]
) -> None:
    client = place.server.dynamodb()
    for number in range(250):  # three pages
        item = {"id": {"S": f"large-{number}"}, "v": {"S": "x" * 10_000}}
        client.put_item(TableName=place.name, Item=item)
    # A page is 256 units.
    document = place.document("1h", "disabled", scan_segments=1, scan_max_rcu=128)
    document["datasets"] = document["datasets"][1:]
    place.gate.hold(SCAN, after=1)
    node = make_node("node", document).start()
    copy = Copy(node, 0, place.gate)

    began = time.monotonic()
    copy.wait_until("a page", lambda: bool((copy.status().get("scan") or {}).get("rows")))
    node.kill()
    assert copy.status() == {}
    place.gate.let_go()
    node.start()
    copy.wait_ready()

    assert time.monotonic() - began > 2.0
    assert [each["bootstrap"] for each in node.events("capture_started")] == [True, False]
    assert node.stop() == 0
    assert differences(place.items(), copy.items()) == ""
    assert place.gate.calls[SCAN] <= 5
