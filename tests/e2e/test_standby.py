"""A centre and its standby, two processes on one table and bucket: kill -9, SIGTERM, a return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from cdc.rebuild import canonical_item
from snapshotter.reader import read_pointer
from tests.e2e.nodes import Document, Node, bucket
from tests.restorer.stores import bucket_store
from tests.servers.seaweedfs import SeaweedFS
from tests.simulators.service import RealClock, simulated_service
from tests.simulators.shards import REGION
from tests.simulators.stream import SimulatedTable

ROWS = 200
STANDBY = {"SNOWMELT_RUN_STANDBY": "1"}
TAKE_OVER = {"SNOWMELT_RUN_TAKE_OVER": "1"}
KEYS = {"AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated"}


@dataclass
class Place:
    """The table, the bucket, and nodes on both."""

    table: SimulatedTable
    document: Document
    make_node: Callable[..., Node]

    def node(self, name: str, environment: Mapping[str, str] | None = None) -> Node:
        document = {**self.document, "runtime": {}}
        return self.make_node(name, document, {**KEYS, **(environment or {})})

    def put(self, key: str, *nodes: Node) -> None:
        """Write an item, and wait until these nodes have it."""
        self.table.put(key, value=1)
        for node in nodes:
            node.wait_for_item([key], self.table.items[key])

    def assert_equal(self, node: Node) -> None:
        wanted = sorted(str(canonical_item(item)) for item in self.table.items.values())
        assert sorted(map(str, node.items().values())) == wanted


@pytest.fixture
def place(seaweedfs: SeaweedFS, make_node: Callable[..., Node]) -> Iterator[Place]:
    table = SimulatedTable(RealClock(), view_type="NEW_AND_OLD_IMAGES")
    for number in range(ROWS):
        table.put(f"key-{number}", value=number)
    with simulated_service(table) as endpoint_url:
        dataset: Document = {
            "from": f"dynamodb:{table.name}",
            "name": "routes",
            "params": {"dynamodb_aws_region": REGION, "endpoint_url": endpoint_url},
            "acceleration": {
                "engine": "sqlite",
                "snapshots": "enabled",
                # Only a take-over publishes besides the first one.
                "snapshots_trigger_threshold": "1h",
            },
        }
        # A centre on a busy machine keeps it; one that was killed is not waited for long.
        snapshots = {**bucket(seaweedfs, "standby"), "lease": "20s"}
        document: Document = {"version": "v1", "snapshots": snapshots, "datasets": [dataset]}
        yield Place(table, document, make_node)


def lease(node: Node) -> str | None:
    state: str | None = node.snapshot()["lease"]
    return state


def because(node: Node) -> list[str]:
    return [event["because"] for event in node.events("lease_taken")]


@pytest.mark.slow
def test_a_standby_publishes_once_its_centre_is_killed_or_ends_and_not_before(
    place: Place,
) -> None:
    centre = place.node("centre").start().wait_ready()
    centre.wait_for_snapshot()
    standby = place.node("standby", STANDBY).start().wait_ready()
    standby.wait_until("it waits", lambda: lease(standby) == "waiting")
    assert (lease(centre), standby.status()["restore"]["decision"]) == ("held", "restore")
    place.put("one", centre, standby)

    centre.kill()
    place.put("two", standby)

    assert standby.wait_for_snapshot()["generation"] == 2
    assert because(standby) == ["expired"]

    centre.start().wait_ready()
    centre.wait_until("it waits", lambda: lease(centre) == "waiting")
    place.put("three", centre, standby)
    assert standby.stop() == 0
    place.put("four", centre)

    assert centre.wait_for_snapshot()["generation"] == 3
    assert because(centre) == ["free", "released"]
    assert not centre.snapshot()["fenced"]
    assert centre.stop() == 0
    for node in (centre, standby):
        assert "lease_lost" not in node.log.read_text()
    place.assert_equal(centre)


def test_a_node_that_is_restarted_on_its_file_publishes_at_once_and_a_stranger_waits(
    place: Place,
) -> None:
    place.document["snapshots"]["lease"] = "10m"  # it does not expire, however slow the machine
    centre = place.node("centre").start().wait_ready()
    centre.wait_for_snapshot()
    stranger = place.node("stranger").start().wait_ready()
    stranger.wait_until("it waits", lambda: lease(stranger) == "waiting")
    centre.kill()

    centre.start().wait_ready()
    # By the log, which is written behind what the status says.
    centre.wait_until("it has the lease again", lambda: len(because(centre)) > 1)

    assert lease(centre) == "held"
    assert because(centre) == ["free", "own"]
    done = stranger.verb("snapshots", "create")
    assert done.code == 10
    assert "the lease to publish it is held by" in done.err


def test_a_person_lets_a_node_take_over_and_the_other_follows_and_serves(
    place: Place, seaweedfs: SeaweedFS
) -> None:
    first = place.node("first").start().wait_ready()
    first.wait_for_snapshot()
    second = place.node("second", TAKE_OVER).start().wait_ready()
    second.wait_until("take-over", lambda: second.snapshot()["generation"] == 2)
    second.wait_for_snapshot()

    first.wait_until("fenced", lambda: bool(first.events("lease_lost")))
    place.put("one", first, second)

    assert first.is_ready()
    assert first.snapshot()["fenced"]
    assert (lease(first), lease(second)) == ("lost", "held")
    assert first.snapshot()["problem"]["exit_code"] == 10
    assert because(second) == ["forced"]
    assert len(first.events("lease_lost")) == 1
    name = place.document["snapshots"]["location"].split("/")[2]
    pointer = read_pointer(bucket_store(seaweedfs, name), "routes")
    assert [entry.generation for entry in pointer.catalog] == [2, 1]
