"""Each fixture does what the tests that use it rely on."""

import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.servers.dynamodb_local import DynamoDBLocal, Table
from tests.servers.moto import MotoServer
from tests.servers.process import http_status
from tests.servers.seaweedfs import SeaweedFS

# ---------------------------------------------------------------- SeaweedFS


def test_seaweedfs_refuses_a_stranger(seaweedfs: SeaweedFS) -> None:
    assert http_status(seaweedfs.endpoint_url + "/") == 403


def test_seaweedfs_of_two_conditional_creates_one_loses(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    s3 = seaweedfs.s3()

    def create(body: bytes) -> int:
        try:
            s3.put_object(Bucket=bucket, Key="pointer", Body=body, IfNoneMatch="*")
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(create, (b"a", b"b")))

    assert statuses == [200, 412]


def test_seaweedfs_refuses_a_replacement_of_something_else(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    s3 = seaweedfs.s3()
    old = s3.put_object(Bucket=bucket, Key="pointer", Body=b"1")["ETag"]
    s3.put_object(Bucket=bucket, Key="pointer", Body=b"2", IfMatch=old)

    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="pointer", Body=b"3", IfMatch=old)

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert s3.get_object(Bucket=bucket, Key="pointer")["Body"].read() == b"2"


def test_seaweedfs_gives_a_range(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    s3 = seaweedfs.s3()
    s3.put_object(Bucket=bucket, Key="pack", Body=bytes(range(256)) * 40_000)  # several chunks

    answer = s3.get_object(Bucket=bucket, Key="pack", Range="bytes=5242878-5242881")

    assert answer["Body"].read() == bytes([254, 255, 0, 1])


def test_seaweedfs_reader_reads_and_may_not_write(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    seaweedfs.s3().put_object(Bucket=bucket, Key="a", Body=b"1")
    reader = seaweedfs.read_only_s3()

    assert reader.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(Bucket=bucket, Key="a", Body=b"2")


def test_seaweedfs_has_room_for_a_bucket_per_test(seaweedfs: SeaweedFS) -> None:
    s3 = seaweedfs.s3()
    for _ in range(30):
        s3.put_object(Bucket=seaweedfs.bucket("room"), Key="a", Body=b"1" * 4096)


# ---------------------------------------------------------------- DynamoDB Local


def _records(server: DynamoDBLocal, table: Table, *, wanted: int) -> list[dict[str, Any]]:
    streams = server.streams()
    shards = streams.describe_stream(StreamArn=table.stream_arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=table.stream_arn,
        ShardId=shards[0]["ShardId"],
        ShardIteratorType="TRIM_HORIZON",
    )["ShardIterator"]
    found: list[dict[str, Any]] = []
    end = time.monotonic() + 60
    while len(found) < wanted and time.monotonic() < end:
        page = streams.get_records(ShardIterator=iterator)
        found += page["Records"]
        iterator = page["NextShardIterator"]
    return found


def test_dynamodb_local_streams_what_was_written(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table()
    dynamodb = dynamodb_local.dynamodb()
    dynamodb.put_item(TableName=table.name, Item={"id": {"S": "a"}, "v": {"N": "1"}})
    dynamodb.put_item(TableName=table.name, Item={"id": {"S": "a"}, "v": {"N": "2"}})
    dynamodb.delete_item(TableName=table.name, Key={"id": {"S": "a"}})

    records = _records(dynamodb_local, table, wanted=3)

    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert records[1]["dynamodb"]["OldImage"]["v"] == {"N": "1"}


def test_dynamodb_local_says_nothing_of_a_write_that_changes_nothing(
    dynamodb_local: DynamoDBLocal,
) -> None:
    table = dynamodb_local.table()
    dynamodb = dynamodb_local.dynamodb()
    for value in ("1", "1", "2"):
        dynamodb.put_item(TableName=table.name, Item={"id": {"S": "a"}, "v": {"N": value}})

    records = _records(dynamodb_local, table, wanted=2)

    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY"]


def test_dynamodb_local_makes_a_table_without_a_stream(dynamodb_local: DynamoDBLocal) -> None:
    assert dynamodb_local.table(view=None).stream_arn is None


def test_dynamodb_local_gives_each_test_a_database(dynamodb_local_server: DynamoDBLocal) -> None:
    one, other = dynamodb_local_server.alone(), dynamodb_local_server.alone()
    table = one.table()

    assert one.dynamodb().list_tables()["TableNames"] == [table.name]
    assert other.dynamodb().list_tables()["TableNames"] == []


@pytest.mark.slow
def test_dynamodb_local_under_faketime_rolls_shards_over(
    dynamodb_local_faketime: Callable[[str], DynamoDBLocal],
) -> None:
    server = dynamodb_local_faketime("+0 x1800")  # four hours in 8 s
    table = server.table()
    # A server whose clock runs fast takes a moment's wait of a connection for minutes.
    streams = server.streams(retries={"mode": "standard", "total_max_attempts": 9})

    shards: list[dict[str, Any]] = []
    end = time.monotonic() + 120
    while len(shards) < 2 and time.monotonic() < end:
        time.sleep(0.5)
        answer = streams.describe_stream(StreamArn=table.stream_arn)
        shards = answer["StreamDescription"]["Shards"]

    children = [shard for shard in shards if "ParentShardId" in shard]
    assert children
    assert children[0]["ParentShardId"] in {shard["ShardId"] for shard in shards}


# ---------------------------------------------------------------- moto


def test_moto_answers_in_this_process(moto_server: MotoServer) -> None:
    s3 = moto_server.client("s3")
    s3.create_bucket(Bucket="moto-answers")
    s3.put_object(Bucket="moto-answers", Key="a", Body=b"1")

    assert s3.get_object(Bucket="moto-answers", Key="a")["Body"].read() == b"1"
    with urllib.request.urlopen(moto_server.endpoint_url + "/moto-api/data.json") as page:  # noqa: S310 - loopback
        assert page.status == 200
