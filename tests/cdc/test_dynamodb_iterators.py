"""Which iterator each position asks the service for, as the request says it."""

import json

import pytest

from cdc.aws import AwsParams
from cdc.dynamodb import DynamoDbSource
from cdc.position import After, At, FromStart, Position
from tests.servers.scripted import Answer, Request, scripted_server

TABLE = {
    "TableName": "flights",
    "TableArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/flights",
    "TableId": "id-1",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    "LatestStreamArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/flights/stream/2026",
}
SEQUENCE = "00000000000000000000000007"


def asked_for(position: Position) -> dict[str, str]:
    """Where the request for an iterator at the position says to begin."""
    asked: list[dict[str, str]] = []

    def respond(request: Request) -> Answer:
        if not request.headers["x-amz-target"].endswith(".GetShardIterator"):
            return Answer(body=json.dumps({"Table": TABLE}).encode())
        asked.append(json.loads(request.body))
        return Answer(body=b'{"ShardIterator": "an iterator"}')

    with scripted_server(respond) as server:
        params = AwsParams(
            region="eu-west-1",
            auth="key",
            access_key_id="AKIAEXAMPLE",
            secret_access_key="secret",
            endpoint_url=server.endpoint_url,
        )
        assert DynamoDbSource("flights", params).open_iterator("shard-1", position)
    (said,) = asked
    return {name: said[name] for name in said if name not in ("StreamArn", "ShardId")}


@pytest.mark.parametrize("position", [FromStart(), FromStart(skip_before=5.0)])
def test_a_shard_is_begun_at_its_oldest_record_never_at_its_latest(position: Position) -> None:
    assert asked_for(position) == {"ShardIteratorType": "TRIM_HORIZON"}


@pytest.mark.parametrize(
    "position, kind",
    [(At(SEQUENCE), "AT_SEQUENCE_NUMBER"), (After(SEQUENCE), "AFTER_SEQUENCE_NUMBER")],
)
def test_a_record_is_asked_for_itself_or_for_what_follows_it(position: Position, kind: str) -> None:
    assert asked_for(position) == {"ShardIteratorType": kind, "SequenceNumber": SEQUENCE}
