"""Nodes as processes, whose table and bucket are reached over lines that break."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from snowmelt import client
from tests.e2e.nodes import Document, Node, bucket, differences, table_items, table_params
from tests.servers import faults
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.fault_tally import Injected
from tests.servers.faults import Fault, action, every_nth
from tests.servers.proxy import FaultProxy, Rule, fault_proxy
from tests.servers.seaweedfs import SeaweedFS

ROWS = 60
COUNT = 'select count(*) as n from "routes"'
# All of them are survived by one more try, of the client or of the node.
TABLE_WEATHER = [
    faults.RESET,
    faults.CUT_SHORT,
    faults.WRONG_BYTE,
    faults.THROTTLED,
    faults.LOST_ANSWER,
    faults.DYNAMODB_AWAY,
    faults.RESET_WITHIN,
]
BUCKET_WEATHER = [
    faults.RESET,
    faults.CUT_SHORT,
    faults.LOST_ANSWER,
    faults.SLOW_DOWN,
    faults.RESET_WITHIN,
    faults.trickle(400_000),
]


@dataclass
class Place:
    """A table and a bucket, each behind a proxy."""

    table: FaultProxy
    bucket: FaultProxy
    server: DynamoDBLocal
    name: str
    snapshots: Document

    def document(self, engine: str, **snapshots: str) -> Document:
        through = replace(self.server, endpoint_url=self.table.endpoint_url)
        section = {
            "from": f"dynamodb:{self.name}",
            "name": "routes",
            "params": table_params(through, scan_segments=4),
            "acceleration": {"engine": engine, "snapshots": "enabled"},
        }
        return {
            "version": "v1",
            "snapshots": {**self.snapshots, **snapshots},
            "datasets": [section],
        }

    def put(self, key: str) -> None:
        item = {"id": {"S": key}, "v": {"N": "1"}}
        self.server.dynamodb().put_item(TableName=self.name, Item=item)

    def scans(self) -> int:
        return sum(each.action == "Scan" for each in self.table.exchanges)

    def close(self) -> None:
        self.table.close()
        self.bucket.close()

    def open(self) -> None:
        self.table.open()
        self.bucket.open()


@pytest.fixture
def place(
    dynamodb_local: DynamoDBLocal, seaweedfs: SeaweedFS, injected: Injected
) -> Iterator[Place]:
    with (
        fault_proxy(dynamodb_local.endpoint_url) as table,
        fault_proxy(seaweedfs.endpoint_url) as store,
    ):
        section = bucket(seaweedfs, "faults")
        section["params"]["s3_endpoint"] = store.endpoint_url
        name = dynamodb_local.table().name
        made = Place(table, store, dynamodb_local, name, section)
        for number in range(ROWS):
            made.put(f"k-{number}")
        yield made
        injected.add_all("DynamoDB of a node", table)
        injected.add_all("S3 of a node", store)


def metric(node: Node, name: str) -> float:
    body = client.request(node.admin, "GET", "/metrics")[1]
    (line,) = (each for each in body.decode().splitlines() if each.startswith(f"{name}{{"))
    return float(line.split()[-1])


def lag_ms(node: Node) -> float:
    return float(node.status()["lag_ms"] or 0)


def wait_for(node: Node, rows: int, *, stale: bool = False) -> None:
    node.wait_until(f"{rows} rows", lambda: node.stale_sql(COUNT) == ([{"n": rows}], stale))


def test_while_everything_is_closed_a_node_serves_labelled_and_catches_up_afterwards(
    place: Place, make_node: Callable[..., Node]
) -> None:
    node = make_node("node", place.document("sqlite")).start().wait_ready()
    node.wait_for_snapshot()
    wait_for(node, ROWS)
    scans = place.scans()

    # Two minutes pass by the clock in the last answers, all of them refusals.
    place.table.fail(faults.DYNAMODB_AWAY)
    place.table.clock_ahead_seconds = 120
    node.wait_until("a lag of minutes", lambda: lag_ms(node) > 60_000)
    place.close()
    place.put("meanwhile")

    wait_for(node, ROWS, stale=True)
    assert node.is_ready()
    assert node.get(["k-1"]) is not None
    assert node.status()["stale"]
    assert metric(node, "dataset_dynamodb_stale") == 1
    # Trouble that began by the new clock is told once it has lasted.
    node.wait_until("a problem", lambda: node.status()["problem"] is not None)
    assert node.status()["problem"]["exit_code"] == 7
    said = node.verb("snapshots", "create")
    assert said.code == 8, said.err
    assert len(said.err.strip().splitlines()) == 1

    place.table.heal()
    place.open()
    wait_for(node, ROWS + 1)
    node.create_snapshot()
    assert place.scans() == scans
    assert len(node.events("capture_started")) == 1
    assert node.stop() == 0
    assert differences(table_items(place.server, place.name, ["id"]), node.items()) == ""


def test_a_permission_that_was_taken_away_is_named_until_it_is_back(
    place: Place, make_node: Callable[..., Node]
) -> None:
    node = make_node("node", place.document("duckdb")).start().wait_ready()
    place.table.fail(faults.DYNAMODB_DENIED, action("GetRecords"))
    place.table.clock_ahead_seconds = 600
    place.put("meanwhile")

    node.wait_until("degraded", lambda: bool(node.events("capture_degraded")))

    problem = node.status()["problem"]
    assert "dynamodb:GetRecords on stream of table" in problem["message"]
    assert "allow dynamodb:GetRecords" in problem["message"]
    assert problem["exit_code"] == 9
    assert problem["message"] == node.events("capture_degraded")[0]["message"]
    assert metric(node, "dataset_dynamodb_stale") == 1
    assert metric(node, "dataset_dynamodb_lag_ms") > 500_000
    assert node.is_ready()

    place.table.heal()
    wait_for(node, ROWS + 1)
    node.wait_until("recovered", lambda: bool(node.events("capture_recovered")))
    node.wait_until("no problem", lambda: node.status()["problem"] is None)
    assert len(node.events("capture_started")) == 1
    assert node.events("dataset_error") == []
    assert node.stop() == 0
    assert differences(table_items(place.server, place.name, ["id"]), node.items()) == ""


def bad_weather(proxy: FaultProxy, kinds: list[Fault]) -> list[Rule]:
    """From now on every third request meets the next of these, until all were met."""
    third = every_nth(3)
    return [proxy.fail(kind, third, 1) for kind in kinds]


def test_in_bad_weather_a_table_is_loaded_published_restored_and_followed(
    place: Place, make_node: Callable[..., Node]
) -> None:
    on_table = bad_weather(place.table, TABLE_WEATHER * 2)
    on_bucket = bad_weather(place.bucket, BUCKET_WEATHER)
    first = make_node("first", place.document("sqlite")).start().wait_ready()
    first.wait_for_snapshot()
    assert first.stop() == 0
    place.put("meanwhile")
    scans = place.scans()
    second = make_node("second", place.document("sqlite")).start().wait_ready()
    wait_for(second, ROWS + 1)

    weather = (*on_table, *on_bucket)
    second.wait_until("all of the weather", lambda: all(rule.hits for rule in weather))
    assert place.scans() == scans
    for node in (first, second):
        assert node.events("dataset_error") == node.events("dataset_bug") == []
    assert second.stop() == 0
    assert differences(table_items(place.server, place.name, ["id"]), second.items()) == ""


def test_a_node_that_may_not_bootstrap_waits_for_a_closed_bucket_and_restores(
    place: Place, make_node: Callable[..., Node]
) -> None:
    first = make_node("first", place.document("duckdb")).start().wait_ready()
    first.wait_for_snapshot()
    assert first.stop() == 0
    scans = place.scans()
    place.bucket.close()
    second = make_node("second", place.document("duckdb", bootstrap_on_failure_behavior="retry"))

    said: list[str] = []

    def is_waiting() -> bool:
        status: Document = second.status() if second.answers() else {"state": "no answer"}
        if status["state"] == "waiting" and status["problem"] is not None:
            said.append(status["problem"]["message"])
        return bool(said)

    second.start().wait_until("waiting", is_waiting)

    assert said[0].startswith("s3:GetObject on s3://")
    assert "\n" not in said[0]
    assert not second.is_ready()
    place.bucket.open()
    wait_for(second, ROWS)
    assert second.status()["restore"]["decision"] == "restore"
    assert place.scans() == scans
