"""The file that a user of the peer has today runs as it is, byte for byte: see tests/snowmelt.

Its table is called `pipelines` and its bucket `bucket`; endpoints, credentials and the addresses of
the listeners come from variables, and files lie in the directory where a node is started.
"""

import dataclasses
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.e2e.changes import change
from tests.e2e.nodes import Key, Node, differences, snowmelt, table_items
from tests.flights import KEYS, Item, flights, load
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.seaweedfs import SeaweedFS

SPICEPOD = Path(__file__).parents[1] / "snowmelt" / "spicepod.yaml"
TABLE, BUCKET = "pipelines", "bucket"
KEY_NAMES = tuple(name for name, _ in KEYS)
ROWS = 500
CHANGES = 60
INTERVAL_SECONDS = 120  # the file says 2m


class PeersNode(Node):
    """A node that is started with the file itself, in a directory of its own."""

    def __post_init__(self) -> None:
        self.document = yaml.safe_load(SPICEPOD.read_text())
        super().__post_init__()
        # Where it puts the file without being told, so that `path` is right.
        self.document["runtime"]["data_dir"] = str(self.home / ".snowmelt" / "data")
        self.config = SPICEPOD
        self.environment = {
            **self.environment,
            "SNOWMELT_RUNTIME_ADMIN": self.admin,
            "SNOWMELT_RUNTIME_QUERY": self.query,
        }

    def write_config(self) -> None:
        """Nothing is written: the file is the peer's."""


@dataclass(frozen=True)
class Cloud:
    """The table, its bucket, and the variables by which a node finds them."""

    server: DynamoDBLocal
    environment: dict[str, str]

    def change(self, first: int) -> None:
        """Put, update and delete flights from this one on, each of them once."""
        change(self.server, TABLE, flights(first, first + CHANGES), seed=first)

    def change_and_wait(self, first: int, node: Node) -> int:
        """The same, until a node that is ready has committed them; its records since its start."""
        records = int(node.status()["records_total"]) + CHANGES
        self.change(first)
        node.wait_for_records(records)
        return records

    def items(self) -> dict[Key, Item]:
        return table_items(self.server, TABLE, KEY_NAMES)


@pytest.fixture
def cloud(dynamodb_local_server: DynamoDBLocal, seaweedfs: SeaweedFS) -> Iterator[Cloud]:
    # One pair of credentials for both services, as the file wants it. The database of this key and
    # this region is nobody else's.
    server = dataclasses.replace(
        dynamodb_local_server,
        access_key=seaweedfs.access_key,
        secret_key=seaweedfs.secret_key,
        region="ap-northeast-2",
    )
    server.dynamodb().create_table(
        TableName=TABLE,
        KeySchema=[
            {"AttributeName": name, "KeyType": role}
            for name, role in zip(KEY_NAMES, ("HASH", "RANGE"), strict=True)
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in KEYS
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    s3 = seaweedfs.s3()
    s3.create_bucket(Bucket=BUCKET)
    load(server, TABLE, flights(0, ROWS))
    yield Cloud(
        server,
        {
            "AWS_ENDPOINT_URL_DYNAMODB": server.endpoint_url,
            "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": server.endpoint_url,
            "AWS_ENDPOINT_URL_S3": seaweedfs.endpoint_url,
            "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
            "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
        },
    )
    server.dynamodb().delete_table(TableName=TABLE)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", ()):
            s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def make_peers_node(tmp_path: Path, cloud: Cloud) -> Iterator[Callable[[str], PeersNode]]:
    made: list[PeersNode] = []

    def make(name: str) -> PeersNode:
        made.append(PeersNode(tmp_path / name, {}, cloud.environment))
        return made[-1]

    yield make
    for node in made:
        node.kill()


def metrics_of(node: Node) -> dict[str, float]:
    """Name without labels -> value, of the dataset `pipelines`."""
    with urllib.request.urlopen(f"http://{node.admin}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    label = '{dataset="pipelines"} '
    return {name: float(value) for name, _, value in (line.partition(label) for line in lines) if _}


def assert_restored(node: Node, snapshot_id: str) -> None:
    """A node that started with nothing began with this snapshot, and read on without a Scan."""
    (start,) = node.events("cold_start")
    assert (start["decision"], start["snapshot_id"]) == ("restore", snapshot_id)
    assert [event["bootstrap"] for event in node.events("capture_started")] == [False]
    assert node.events("scan_ended") == []


def test_a_spicepod_runs_unchanged_and_a_second_node_starts_from_its_snapshot(
    cloud: Cloud, make_peers_node: Callable[[str], PeersNode]
) -> None:
    first = make_peers_node("first").start().wait_ready()
    counted = first.verb("query", "select count(*) as n from pipelines", "--json")
    assert counted.json() == [{"n": ROWS}]
    first.wait_for_snapshot()
    cloud.change_and_wait(100, first)
    assert first.stop() == 0
    assert differences(cloud.items(), first.items()) == ""
    cloud.change(300)  # while nobody runs

    second = make_peers_node("second").start().wait_ready()
    assert_restored(second, first.events("snapshot_published")[-1]["snapshot_id"])
    assert second.stop() == 0
    assert differences(cloud.items(), second.items()) == ""
    for node in (first, second):
        assert "warning: " not in node.log.read_text()


def test_the_metrics_that_a_spicepod_names_are_on_the_page(
    cloud: Cloud, make_peers_node: Callable[[str], PeersNode]
) -> None:
    node = make_peers_node("node").start().wait_ready()
    records = cloud.change_and_wait(100, node)

    found = metrics_of(node)
    named = [metric["name"] for metric in node.dataset["metrics"]]
    assert len(named) == 4
    assert {f"dataset_dynamodb_{name}" for name in named} <= found.keys()
    assert found["dataset_dynamodb_shards_active"] >= 1
    assert found["dataset_dynamodb_records_consumed_total"] == records
    assert node.stop() == 0


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_spicepod_publishes_two_minutes_later_what_changed(
    cloud: Cloud, make_peers_node: Callable[[str], PeersNode]
) -> None:
    first = make_peers_node("first").start().wait_ready()
    begun = first.wait_for_snapshot()["last_id"]
    cloud.change_and_wait(100, first)
    first.patience_seconds += INTERVAL_SECONDS

    first.wait_until("another snapshot", lambda: first.snapshot()["last_id"] != begun)
    snapshot_id = first.snapshot()["last_id"]
    assert first.stop() == 0

    second = make_peers_node("second").start().wait_ready()
    assert_restored(second, snapshot_id)
    assert second.stop() == 0
    assert differences(cloud.items(), second.items()) == ""


def test_every_key_that_only_the_peer_has_is_named_when_its_file_is_read(tmp_path: Path) -> None:
    text = SPICEPOD.read_text().replace("dynamodb_aws_auth: iam_role", "dynamodb_shape: round")
    file = tmp_path / "spicepod.yaml"
    file.write_text(f"{text}    time_column: updated_at\nviews: []\n")
    secrets = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}

    ended = snowmelt("config", "check", "-c", str(file), directory=tmp_path, environment=secrets)

    start = f"snowmelt: warning: {file}: "
    assert ended.code == 0
    assert sorted(line.removeprefix(start) for line in ended.err.splitlines()) == [
        "datasets[0].params.dynamodb_shape: unknown parameter; ignored",
        "datasets[0].time_column: not supported by Snowmelt; ignored",
        "views: not supported by Snowmelt; ignored",
    ]

    file.write_text(file.read_text().replace("kind: Spicepod\n", ""))
    ended = snowmelt("config", "check", "-c", str(file), directory=tmp_path, environment=secrets)
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 3
