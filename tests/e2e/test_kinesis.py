"""A table that nodes follow by its Kinesis stream: bootstrap, snapshot, another node, restart."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import Document, Node, differences, table_items
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.kinesalite import Kinesalite
from tests.servers.kinesis_front import KinesisFront, kinesis_front
from tests.servers.moto import MotoServer
from tests.simulators.change_documents import Disorder
from tests.simulators.kinesis_feed import KinesisFeed

ROWS = 40


class Table:
    """A table, its stream and the feed between them; `front` is what nodes know."""

    def __init__(self, front: KinesisFront, moto: MotoServer, kinesalite: Kinesalite) -> None:
        self.front = front
        self.server = DynamoDBLocal(moto.endpoint_url)
        self.name = self.server.table("routes", view=None).name
        self.stream = kinesalite.stream(self.name, shards=2)
        front.enable(self.name, self.stream.arn)
        self.feed = KinesisFeed(
            self.stream,
            self.name,
            dynamodb=self.server.dynamodb(),
            disorder=Disorder(window=4, soon=0.2, late=0.2),
            clock=kinesalite.now,
        )

    def write(self, turn: int) -> int:
        """Change most items and delete some; how many records that made."""
        for number in range(ROWS):
            key = {"S": f"r{number}"}
            if (number + turn) % 7:
                self.feed.put(id=key, v={"N": str(turn * 1_000 + number)})
            else:
                self.feed.delete(id=key)
        return self.feed.send()

    def node(self, snapshots: Document, **acceleration: str) -> Document:
        section = {
            "from": f"kinesis:{self.name}",
            "name": "routes",
            "params": {
                "dynamodb_region": "us-east-1",
                "dynamodb_access_key_id": "snowmelt",
                "dynamodb_secret_access_key": "secret",
                "endpoint_url": self.front.endpoint_url,
            },
            "acceleration": {
                "snapshots": "enabled",
                "snapshots_trigger_threshold": "1s",
                **acceleration,
            },
        }
        return {"version": "v1", "datasets": [section], "snapshots": snapshots}

    def differences(self, node: Node) -> str:
        return differences(table_items(self.server, self.name, ("id",)), node.items())


@pytest.fixture
def table(kinesalite: Kinesalite, moto_server: MotoServer) -> Iterator[Table]:
    with kinesis_front(moto_server.endpoint_url, kinesalite.endpoint_url) as front:
        yield Table(front, moto_server, kinesalite)


def test_a_node_restores_what_another_one_followed_and_goes_on_in_the_stream(
    table: Table, make_node: Callable[..., Node], tmp_path: Path
) -> None:
    snapshots: Document = {"location": f"file://{tmp_path / 'bucket'}"}
    table.write(0)
    first = make_node("first", table.node(snapshots)).start().wait_ready()
    so_far = first.status()["records_total"]  # what came before the scan is read, too
    first.wait_for_records(so_far + table.write(1))
    first.wait_until("a tie or a duplicate", lambda: first.status()["dropped"]["duplicates"] > 0)
    first.create_snapshot()
    lineage, scans = first.status()["lineage_id"], table.front.calls["Scan"]
    assert first.stop() == 0
    assert table.differences(first) == ""

    table.stream.split(table.stream.open_shards()[0])
    sent = table.write(2) + table.feed.send_again()  # older changes come once more
    second = make_node("second", table.node(snapshots)).start().wait_ready()
    second.wait_for_records(sent)

    assert second.status()["restore"]["decision"] == "restore"
    assert second.status()["lineage_id"] == lineage
    assert table.front.calls["Scan"] == scans
    assert second.status()["dropped"]["late"] + second.status()["dropped"]["duplicates"] > 0
    assert second.stop() == 0
    assert table.differences(second) == ""


def test_a_node_says_that_its_destination_is_disabled(
    table: Table, make_node: Callable[..., Node], tmp_path: Path
) -> None:
    table.front.enable(table.name, table.stream.arn, status="DISABLED")
    node = make_node("node", table.node({"location": f"file://{tmp_path / 'bucket'}"})).start()

    def is_said() -> bool:
        status: Document = node.status() if node.answers() else {"state": "no answer"}
        is_error = status["state"] == "error" and status["problem"] is not None
        return is_error and "is DISABLED" in status["problem"]["message"]

    node.wait_until("an error that says so", is_said)
    assert node.stop() == 0
