"""The source against DynamoDB Local: a real stream, its refusals and its oddities."""

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from cdc.aws import AwsParams
from cdc.dynamodb import DynamoDbSource
from cdc.errors import (
    CdcError,
    IteratorExpired,
    Permanent,
    ShardNotFound,
    StreamDisabled,
    TableNotFound,
    ViewTypeUnsupported,
)
from cdc.keys import KeyAttribute, KeySchema
from cdc.position import After, At, FromStart
from cdc.records import parse_records
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.moto import MotoServer

NOWHERE = "9" * 30


def params_of(server: DynamoDBLocal | MotoServer) -> AwsParams:
    return AwsParams(
        region=server.region,
        auth="key",
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        endpoint_url=server.endpoint_url,
    )


def source_of(server: DynamoDBLocal | MotoServer, table: str) -> DynamoDbSource:
    return DynamoDbSource(table, params_of(server))


def put(server: DynamoDBLocal, table: str, *names: str) -> None:
    for name in names:
        server.dynamodb().put_item(TableName=table, Item={"id": {"S": name}})


def next_of(body: bytes) -> str:
    found = re.search(rb'"NextShardIterator":"([^"]+)"', body)
    assert found
    return found.group(1).decode()


def test_a_table_is_described_with_its_identity_keys_and_stream(
    dynamodb_local: DynamoDBLocal,
) -> None:
    table = dynamodb_local.table("flights", keys=(("route", "S"), ("at", "N")))
    put_of = dynamodb_local.dynamodb()
    put_of.put_item(TableName=table.name, Item={"route": {"S": "r"}, "at": {"N": "1"}})

    description = source_of(dynamodb_local, table.name).describe()

    assert description.table_name == table.name
    assert table.name in description.table_id  # DynamoDB Local knows no TableId
    assert description.stream_arn == table.stream_arn
    assert description.view_type == "NEW_AND_OLD_IMAGES"
    assert description.keys == KeySchema(KeyAttribute("route", "S"), KeyAttribute("at", "N"))
    assert description.item_count == 1
    assert description.retention_seconds == 86_400


def test_a_missing_table_is_named_with_its_region(dynamodb_local: DynamoDBLocal) -> None:
    with pytest.raises(TableNotFound, match=r"table nowhere in us-east-1") as caught:
        source_of(dynamodb_local, "nowhere").describe()

    assert "us-east-1" in caught.value.hint


def test_a_scan_of_a_missing_table_says_so(dynamodb_local: DynamoDBLocal) -> None:
    with pytest.raises(TableNotFound, match="dynamodb:Scan"):
        source_of(dynamodb_local, "nowhere").scan(0, 1, None)


def test_a_table_without_a_stream_is_told_how_to_get_one(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table(view=None)

    with pytest.raises(StreamDisabled) as caught:
        source_of(dynamodb_local, table.name).describe()

    assert "NEW_AND_OLD_IMAGES" in caught.value.hint


def test_a_stream_that_was_switched_off_counts_as_none(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table()
    dynamodb_local.dynamodb().update_table(
        TableName=table.name, StreamSpecification={"StreamEnabled": False}
    )

    with pytest.raises(StreamDisabled):
        source_of(dynamodb_local, table.name).describe()


@pytest.mark.parametrize("view", ["KEYS_ONLY", "OLD_IMAGE"])
def test_a_stream_without_new_images_is_refused(dynamodb_local: DynamoDBLocal, view: str) -> None:
    table = dynamodb_local.table(view=view)

    with pytest.raises(ViewTypeUnsupported, match=view):
        source_of(dynamodb_local, table.name).describe()


def test_the_shards_of_an_enabled_stream_are_listed(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table()

    listing = source_of(dynamodb_local, table.name).list_shards()

    assert listing.is_complete
    assert listing.stream_is_enabled
    assert [shard.is_closed for shard in listing.shards] == [False]
    assert abs(listing.listed_at - time.time()) < 60


def test_a_page_of_records_comes_as_the_bytes_of_the_service(
    dynamodb_local: DynamoDBLocal,
) -> None:
    table = dynamodb_local.table()
    put(dynamodb_local, table.name, "a", "b")
    source = source_of(dynamodb_local, table.name)
    (shard,) = source.list_shards().shards

    page = source.get_records(source.open_iterator(shard.shard_id, FromStart()))

    answer = json.loads(page.body)
    images = [record["dynamodb"]["NewImage"] for record in answer["Records"]]
    assert images == [{"id": {"S": "a"}}, {"id": {"S": "b"}}]
    assert answer["NextShardIterator"]
    assert len(parse_records(page.body).records) == 2


def test_reading_goes_on_at_or_after_a_record(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table()
    put(dynamodb_local, table.name, "a", "b", "c")
    source = source_of(dynamodb_local, table.name)
    (shard,) = source.list_shards().shards

    def read(iterator: str) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = json.loads(source.get_records(iterator).body)["Records"]
        return [record["dynamodb"] for record in records]

    everything = read(source.open_iterator(shard.shard_id, FromStart()))
    second = everything[1]["SequenceNumber"]

    assert read(source.open_iterator(shard.shard_id, At(second))) == everything[1:]
    assert read(source.open_iterator(shard.shard_id, After(second))) == everything[2:]


def test_an_unknown_shard_is_not_found(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table()
    source = source_of(dynamodb_local, table.name)
    unknown = "shardId-00000000000000000000-aaaaaaaa"

    with pytest.raises(ShardNotFound, match=unknown):
        # DynamoDB Local looks at the shard when its records are asked for.
        source.get_records(source.open_iterator(unknown, FromStart()))


def test_an_iterator_that_the_service_cannot_read_is_replaced_like_an_expired_one(
    dynamodb_local: DynamoDBLocal,
) -> None:
    source = source_of(dynamodb_local, dynamodb_local.table().name)

    with pytest.raises(IteratorExpired):
        source.get_records("no iterator at all")


def test_the_filter_for_children_names_none_of_the_others(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table()
    source = source_of(dynamodb_local, table.name)
    (shard,) = source.list_shards().shards

    listing = source.list_children(shard.shard_id)

    assert listing.shards == ()
    assert not listing.is_complete


def test_segments_of_a_scan_cover_the_table_once(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table()
    names = {f"item-{number}" for number in range(40)}
    put(dynamodb_local, table.name, *names)
    source = source_of(dynamodb_local, table.name)

    pages = [json.loads(source.scan(segment, 4, None).body) for segment in range(4)]

    found = [item["id"]["S"] for page in pages for item in page["Items"]]
    assert len(found) == 40
    assert set(found) == names
    assert all(page["ConsumedCapacity"]["CapacityUnits"] for page in pages if page["Items"])


def test_a_scan_goes_on_behind_a_binary_key(dynamodb_local: DynamoDBLocal) -> None:
    table = dynamodb_local.table(keys=(("id", "B"),))
    client = dynamodb_local.dynamodb()
    for number in range(3):
        client.put_item(TableName=table.name, Item={"id": {"B": bytes([0, 255, number])}})
    source = source_of(dynamodb_local, table.name)
    first, *rest = json.loads(source.scan(0, 1, None).body)["Items"]

    page = json.loads(source.scan(0, 1, json.dumps(first)).body)

    assert page["Items"] == rest
    assert len(base64.b64decode(first["id"]["B"])) == 3


def test_a_closed_shard_has_a_child_that_starts_where_it_ended(
    dynamodb_local_faketime: Callable[[str], DynamoDBLocal],
) -> None:
    server = dynamodb_local_faketime("+0 x1800")
    table = server.table()
    source = source_of(server, table.name)
    first = source.list_shards().shards[0]  # on a busy machine others follow it by now
    end = time.monotonic() + 60

    while not (children := source.list_children(first.shard_id).shards):
        assert time.monotonic() < end
        time.sleep(0.3)

    assert [child.parent_id for child in children] == [first.shard_id]
    listed = {shard.shard_id: shard for shard in source.list_shards().shards}
    assert listed[first.shard_id].is_closed


def test_an_iterator_expires_after_its_quarter_of_an_hour(
    dynamodb_local_faketime: Callable[[str], DynamoDBLocal],
) -> None:
    server = dynamodb_local_faketime("+0 x1800")
    source = source_of(server, server.table().name)
    shard = source.list_shards().shards[-1]
    iterator = source.open_iterator(shard.shard_id, FromStart())

    time.sleep(1.0)  # half an hour on its clock

    with pytest.raises(IteratorExpired, match="dynamodb:GetRecords"):
        source.get_records(iterator)


def test_an_emulator_without_table_ids_gets_a_stable_one(moto_server: MotoServer) -> None:
    moto_server.client("dynamodb").create_table(
        TableName="shells-without-id",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )

    described = [source_of(moto_server, "shells-without-id").describe() for _ in range(2)]

    assert described[0] == described[1]
    assert described[0].table_id


def test_a_session_of_calls_learns_the_service_time(dynamodb_local: DynamoDBLocal) -> None:
    source = source_of(dynamodb_local, dynamodb_local.table().name)

    source.describe()

    assert abs(source.now() - time.time()) < 60


@pytest.mark.parametrize("attempt", ["open", "read"])
def test_a_position_from_nowhere_is_an_error_of_the_contract(
    dynamodb_local: DynamoDBLocal, attempt: str
) -> None:
    source = source_of(dynamodb_local, dynamodb_local.table().name)
    (shard,) = source.list_shards().shards

    with pytest.raises(CdcError):
        source.get_records(source.open_iterator(shard.shard_id, At("not a number")))


def test_a_start_key_of_another_table_is_permanent(dynamodb_local: DynamoDBLocal) -> None:
    source = source_of(dynamodb_local, dynamodb_local.table().name)

    with pytest.raises(Permanent):
        source.scan(0, 1, '{"other": {"S": "x"}}')
