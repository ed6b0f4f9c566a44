"""Snowmelt under the rendered stream_reader, on a DynamoDB that enforces policies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cdc.canary import Canary
from cdc.dynamodb import DynamoDbSource
from cdc.errors import AccessDenied
from cdc.position import FromStart
from tests.e2e.nodes import Node
from tests.servers.clients import client
from tests.servers.moto import MotoServer, running_moto
from tests.snowmelt.command import snowmelt
from tests.terraform.grants import EMPTY, Less, lacking
from tests.terraform.guarded_table import (
    Identity,
    as_dynamodb_does,
    enforced,
    identity,
    make_table,
    put_rows,
)
from tests.terraform.rendering import DATASET, REGION, role_policies

POLICY = role_policies()["stream_reader"]
LESS = list(lacking(POLICY))
LESS_OF_SELFTEST = list(lacking(role_policies()["selftest"]))


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    """One of its own, because what it enforces, it enforces for all."""
    with running_moto() as address, as_dynamodb_does():
        make_table(address)
        make_table(address, "another")
        yield address


@pytest.fixture(scope="module")
def reader(server: MotoServer) -> Identity:
    return identity(server, "reader", POLICY)


def everything(source: DynamoDbSource) -> int:
    """Each call that a bootstrap and a follower make, once; returns the rows."""
    source.describe()
    page = source.scan(0, 1, None)
    (shard,) = source.list_shards().shards
    source.get_records(source.open_iterator(shard.shard_id, FromStart()))
    return int(json.loads(page.body)["Count"])


def test_the_stream_reader_reads_table_and_stream(server: MotoServer, reader: Identity) -> None:
    with enforced():
        assert everything(DynamoDbSource(DATASET, reader.params(server))) >= 20


@pytest.mark.parametrize("less", LESS, ids=[less.name for less in LESS])
def test_a_stream_reader_that_lacks_one_thing_is_denied(server: MotoServer, less: Less) -> None:
    lesser = identity(server, f"less-{LESS.index(less)}", less.policy)

    with enforced(), pytest.raises(AccessDenied, match="AccessDeniedException") as refused:
        everything(DynamoDbSource(DATASET, lesser.params(server)))

    assert any(str(refused.value).startswith(action) for action in less.actions)


def canary(server: MotoServer, who: Identity) -> None:
    """What the selftest does to the table."""
    item = Canary(DATASET, who.params(server))
    item.write()
    item.remove()


def test_the_selftest_writes_its_item_and_takes_it_back(server: MotoServer) -> None:
    tester = identity(server, "selftest", role_policies()["selftest"])

    with enforced():
        canary(server, tester)
        with pytest.raises(AccessDenied, match="AccessDeniedException"):
            everything(DynamoDbSource(DATASET, tester.params(server)))


@pytest.mark.parametrize("less", LESS_OF_SELFTEST, ids=[each.name for each in LESS_OF_SELFTEST])
def test_a_selftest_that_lacks_one_thing_is_denied(server: MotoServer, less: Less) -> None:
    name = f"selftest-{LESS_OF_SELFTEST.index(less)}"
    lesser = identity(server, name, less.policy)

    with enforced(), pytest.raises(AccessDenied, match="AccessDeniedException") as refused:
        canary(server, lesser)

    assert any(str(refused.value).startswith(action) for action in less.actions)


def test_who_has_an_empty_policy_reads_nothing(server: MotoServer) -> None:
    nobody = identity(server, "nobody", EMPTY)

    with enforced(), pytest.raises(AccessDenied, match="AccessDeniedException"):
        everything(DynamoDbSource(DATASET, nobody.params(server)))


def test_the_stream_reader_does_nothing_else(server: MotoServer, reader: Identity) -> None:
    table = {"TableName": DATASET}
    key = {"Key": {"id": {"S": "item 1"}}}
    calls: dict[str, dict[str, Any]] = {
        "get_item": table | key,
        "put_item": table | {"Item": key["Key"]},
        "delete_item": table | key,
        "update_item": table | key,
        "query": table
        | {"KeyConditionExpression": "id = :i", "ExpressionAttributeValues": {":i": {"S": "a"}}},
        "update_table": table | {"BillingMode": "PAY_PER_REQUEST"},
        "delete_table": table,
        "list_tables": {},
        "create_backup": table | {"BackupName": "copy"},
        "describe_table": {"TableName": "another"},
        "scan": {"TableName": "another"},
    }
    dynamodb = client(
        "dynamodb",
        endpoint_url=server.endpoint_url,
        access_key=reader.key,
        secret_key=reader.secret,
        region=REGION,
    )

    with enforced():
        for name, arguments in calls.items():
            with pytest.raises(ClientError) as refused:
                getattr(dynamodb, name)(**arguments)
            assert refused.value.response["Error"]["Code"] == "AccessDeniedException", name


def test_a_stream_of_another_table_is_denied(server: MotoServer, reader: Identity) -> None:
    arn = server.client("dynamodb").describe_table(TableName="another")["Table"]["LatestStreamArn"]
    streams = client(
        "dynamodbstreams",
        endpoint_url=server.endpoint_url,
        access_key=reader.key,
        secret_key=reader.secret,
        region=REGION,
    )

    with enforced(), pytest.raises(ClientError, match="AccessDeniedException"):
        streams.describe_stream(StreamArn=arn)


def test_a_node_bootstraps_and_follows_as_the_stream_reader(
    server: MotoServer, reader: Identity, tmp_path: Path
) -> None:
    params = {
        "dynamodb_aws_region": REGION,
        "dynamodb_aws_auth": "key",
        "dynamodb_aws_access_key_id": reader.key,
        "dynamodb_aws_secret_access_key": reader.secret,
        "endpoint_url": server.endpoint_url,
    }
    dataset = {"from": f"dynamodb:{DATASET}", "name": DATASET, "params": params}
    node = Node(tmp_path / "node", {"version": "v1", "datasets": [dataset]})

    with enforced():
        node.start()
        try:
            node.wait_ready()
            rows = node.sql(f'select count(*) as n from "{DATASET}"')[0]["n"]
        finally:
            assert node.stop() == 0
    put_rows(server, DATASET, 1000, 5)
    with enforced():
        node.start()
        try:
            node.wait_ready().wait_for_rows(rows + 5)
        finally:
            assert node.stop() == 0


def test_doctor_finds_every_permission_of_the_stream_reader(
    server: MotoServer, reader: Identity, tmp_path: Path
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": reader.key, "AWS_SECRET_ACCESS_KEY": reader.secret}
    where = ["--table", DATASET, "--region", REGION, "--endpoint-url", server.endpoint_url]
    with enforced():
        ended = snowmelt("doctor", *where, "--json", cwd=tmp_path, environment=keys)
    found = {each["check"]: each["verdict"] for each in json.loads(ended.output)["findings"]}

    actions = {
        f"dynamodb:{name}" for name in ("DescribeStream", "GetShardIterator", "GetRecords", "Scan")
    }
    assert {name for name in actions if found.get(name) == "ok"} == actions
