"""kinesalite does what stories of shards rely on, and says what the service would say."""

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from tests.servers.kinesalite import Kinesalite, Stream
from tests.servers.kinesis_front import kinesis_front
from tests.servers.moto import MotoServer


def _iterator(stream: Stream, shard_id: str, **position: object) -> str:
    answer = stream.kinesis.get_shard_iterator(StreamName=stream.name, ShardId=shard_id, **position)
    return str(answer["ShardIterator"])


def test_a_split_closes_a_shard_and_opens_two_children(kinesalite: Kinesalite) -> None:
    stream = kinesalite.stream()
    (parent,) = stream.open_shards()
    stream.put(b"before", shard_id=parent)

    lower, upper = stream.split(parent)
    stream.put(b"after", shard_id=upper)

    assert stream.open_shards() == [lower, upper]
    assert [stream.read(shard) for shard in (parent, lower, upper)] == [[b"before"], [], [b"after"]]
    parents = {shard["ShardId"]: shard.get("ParentShardId") for shard in stream.shards()}
    assert parents == {parent: None, lower: parent, upper: parent}


def test_a_merge_closes_two_shards_and_opens_a_child_of_both(kinesalite: Kinesalite) -> None:
    stream = kinesalite.stream(shards=2)
    left, right = stream.open_shards()

    child = stream.merge(left, right)

    assert stream.open_shards() == [child]
    listed = stream.shards()[-1]
    assert (listed["ParentShardId"], listed["AdjacentParentShardId"]) == (left, right)


def test_a_closed_shard_ends_and_names_its_children_where_asked_to(kinesalite: Kinesalite) -> None:
    stream = kinesalite.stream()
    (parent,) = stream.open_shards()
    children = stream.split(parent)
    iterator = _iterator(stream, parent, ShardIteratorType="LATEST")

    silent = stream.kinesis.get_records(ShardIterator=iterator)
    kinesalite.gives_children(on=True)
    said = stream.kinesis.get_records(ShardIterator=iterator)

    assert "NextShardIterator" not in silent
    assert "ChildShards" not in silent
    assert [child["ShardId"] for child in said["ChildShards"]] == list(children)
    assert said["ChildShards"][0]["ParentShards"] == [parent]


def test_a_time_leads_to_the_first_record_that_is_not_older(kinesalite: Kinesalite) -> None:
    stream = kinesalite.stream()
    (shard,) = stream.open_shards()
    found: list[list[bytes]] = []
    stream.put(b"old")
    for data in (b"new", None):
        kinesalite.advance(minutes=1)
        since = kinesalite.now() - 30
        if data is not None:
            stream.put(data)
        iterator = _iterator(stream, shard, ShardIteratorType="AT_TIMESTAMP", Timestamp=since)
        page = stream.kinesis.get_records(ShardIterator=iterator)
        found.append([record["Data"] for record in page["Records"]])

    assert found == [[b"new"], []]


def test_a_page_says_how_far_behind_it_is_until_nothing_follows(kinesalite: Kinesalite) -> None:
    stream = kinesalite.stream()
    (shard,) = stream.open_shards()
    for data in (b"1", b"2"):
        stream.put(data)
    kinesalite.advance(minutes=1)

    first = stream.kinesis.get_records(
        ShardIterator=_iterator(stream, shard, ShardIteratorType="TRIM_HORIZON"), Limit=1
    )
    last = stream.kinesis.get_records(ShardIterator=first["NextShardIterator"], Limit=1)

    assert 59_000 <= first["MillisBehindLatest"] < 120_000
    assert (last["Records"][0]["Data"], last["MillisBehindLatest"]) == (b"2", 0)


def test_iterators_expire_after_five_minutes_and_records_after_a_day(
    kinesalite: Kinesalite,
) -> None:
    stream = kinesalite.stream()
    (shard,) = stream.open_shards()
    stream.put(b"1")
    iterator = _iterator(stream, shard, ShardIteratorType="TRIM_HORIZON")

    kinesalite.advance(minutes=6)
    with pytest.raises(ClientError, match="ExpiredIteratorException"):
        stream.kinesis.get_records(ShardIterator=iterator)
    assert stream.read(shard) == [b"1"]
    kinesalite.advance(hours=24)

    assert stream.read(shard) == []


def test_one_endpoint_has_the_table_the_stream_and_what_joins_them(
    kinesalite: Kinesalite, moto_server: MotoServer
) -> None:
    moto_server.client("dynamodb").create_table(
        TableName="joined",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stream = kinesalite.stream()
    stream.put(b"1")
    with kinesis_front(moto_server.endpoint_url, kinesalite.endpoint_url) as front:
        dynamodb = replace(moto_server, endpoint_url=front.endpoint_url).client("dynamodb")
        kinesis = replace(kinesalite, endpoint_url=front.endpoint_url).kinesis()
        before = dynamodb.describe_kinesis_streaming_destination(TableName="joined")
        front.enable("joined", stream.arn, status="ENABLING")
        front.enable("joined", stream.arn)
        after = dynamodb.describe_kinesis_streaming_destination(TableName="joined")

        assert dynamodb.describe_table(TableName="joined")["Table"]["TableName"] == "joined"
        assert replace(stream, kinesis=kinesis).read(stream.open_shards()[0]) == [b"1"]
    assert before["KinesisDataStreamDestinations"] == []
    (destination,) = after["KinesisDataStreamDestinations"]
    assert (destination["StreamArn"], destination["DestinationStatus"]) == (stream.arn, "ACTIVE")
    assert front.calls["DescribeTable"] == 1
