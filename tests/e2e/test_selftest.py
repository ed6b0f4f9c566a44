"""A canary goes all of the way: table, central node, snapshot, edge, restore; and is taken back."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cdc.aws import AwsParams
from cdc.canary import Canary
from tests.e2e.nodes import PATIENCE_SECONDS, Document, Node, snowmelt, started, table_params
from tests.servers.dynamodb_local import DynamoDBLocal

ROWS = 30
KEYS = (("tenant", "S"), ("route", "N"))


@pytest.fixture
def table(dynamodb_local: DynamoDBLocal) -> str:
    """A table with some items."""
    name = dynamodb_local.table("selftest", keys=KEYS).name
    for number in range(ROWS):
        item = {"tenant": {"S": "t"}, "route": {"N": str(number)}}
        dynamodb_local.dynamodb().put_item(TableName=name, Item=item)
    return name


@pytest.fixture
def document(dynamodb_local: DynamoDBLocal, table: str, tmp_path: Path) -> Document:
    """One for both roles, as one file of a deployment."""
    return {
        "version": "v1",
        "snapshots": {"location": f"file://{tmp_path / 'bucket'}"},
        "datasets": [
            {
                "from": f"dynamodb:{table}",
                "name": "routes",
                "params": table_params(dynamodb_local),
                "acceleration": {
                    "engine": "sqlite",
                    "snapshots": "enabled",
                    "snapshots_trigger_threshold": "1s",
                },
            }
        ],
    }


def count(server: DynamoDBLocal, table: str) -> int:
    found: int = server.dynamodb().scan(TableName=table, ConsistentRead=True)["Count"]
    return found


def test_it_says_in_one_line_when_the_canary_was_at_the_edge_and_out_of_a_snapshot(
    dynamodb_local: DynamoDBLocal,
    table: str,
    document: Document,
    make_node: Callable[..., Node],
) -> None:
    make_node("central", {**document, "runtime": {}}).start().wait_ready().wait_for_snapshot()
    dataset = document["datasets"][0]
    fast = {**dataset, "acceleration": {"engine": "sqlite", "refresh_check_interval": "1s"}}
    of_edge = {**document, "datasets": [fast], "runtime": {"role": "edge"}}
    edge = make_node("edge", of_edge).start().wait_ready()

    ended = edge.verb("selftest")

    assert ended.code == 0, ended.err
    wanted = (
        r"selftest: ok in [\d.]+ s: canary at the edge after [\d.]+ s, in snapshot \S+ after "
        r"[\d.]+ s, restored and read in [\d.]+ s \((\d+) items\)\n"
    )
    told = re.fullmatch(wanted, ended.out)
    assert told, ended.out
    assert int(told[1]) == ROWS + 1
    assert count(dynamodb_local, table) == ROWS
    edge.wait_for_rows(ROWS)  # its deletion comes by the same way


def test_where_nobody_publishes_it_ends_with_13_and_the_canary_is_gone(
    dynamodb_local: DynamoDBLocal, table: str, document: Document, make_node: Callable[..., Node]
) -> None:
    nobody = make_node("nobody", document)

    by_bucket = nobody.verb("selftest", "--without-node", "--timeout", "1s")
    by_node = nobody.verb("selftest", "--timeout", "1s")

    assert (by_bucket.code, by_node.code) == (13, 13)
    assert "the canary is in no snapshot of routes" in by_bucket.err
    assert f"the canary is not at the node {nobody.query}: no node answers" in by_node.err
    assert count(dynamodb_local, table) == ROWS


def test_a_signal_ends_it_and_the_canary_is_gone(
    dynamodb_local: DynamoDBLocal, table: str, document: Document, make_node: Callable[..., Node]
) -> None:
    nobody = make_node("nobody", document)
    nobody.write_config()
    errors = nobody.home / "errors"
    words = ["selftest", "--without-node", "-c", str(nobody.config)]
    process = started(
        words, nobody.home, environment={}, output=nobody.home / "output", errors=errors
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "is in table" not in (errors.read_text() if errors.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert count(dynamodb_local, table) == ROWS + 1

    process.send_signal(signal.SIGTERM)

    assert process.wait(PATIENCE_SECONDS) == 143
    assert count(dynamodb_local, table) == ROWS


def test_snapshots_alone_have_no_table_to_write_to(tmp_path: Path, document: Document) -> None:
    location = document["snapshots"]["location"]
    config = tmp_path / "edge.yaml"
    config.write_text(
        f"version: v1\nsnapshots: {{location: '{location}'}}\n"
        "datasets: [{from: 'snapshot:routes', name: routes}]\n"
    )

    ended = snowmelt("selftest", "-c", str(config), directory=tmp_path)

    assert ended.code == 2
    assert ended.err == (
        "snowmelt: error: dataset routes: a selftest needs the table and the bucket; "
        "write from: dynamodb:TABLE, and set snapshots.location\n"
    )


def test_a_key_of_bytes_is_written_and_taken_back(dynamodb_local: DynamoDBLocal) -> None:
    name = dynamodb_local.table("bytes", keys=(("id", "B"),)).name
    identity = AwsParams(
        region=dynamodb_local.region,
        auth="key",
        access_key_id=dynamodb_local.access_key,
        secret_access_key=dynamodb_local.secret_key,
        endpoint_url=dynamodb_local.endpoint_url,
    )
    canary = Canary(name, identity)

    canary.write()
    (item,) = dynamodb_local.dynamodb().scan(TableName=name)["Items"]
    canary.remove()

    assert item["id"]["B"].startswith(b"snowmelt-selftest-")
    assert count(dynamodb_local, name) == 0
