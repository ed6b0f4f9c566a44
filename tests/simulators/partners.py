"""One script of calls for two servers: the simulated service and DynamoDB Local, by raw clients."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from tests.servers.clients import client
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.simulators.clock import VirtualClock
from tests.simulators.service import simulated_service
from tests.simulators.shards import REGION
from tests.simulators.stream import SimulatedTable

Json = dict[str, Any]
# The services judge, not the client.
_CLIENT: Json = {"parameter_validation": False}


@dataclass(frozen=True)
class Partner:
    """A table with a stream on one of the servers, and what scripts ask of it."""

    dynamodb: Any
    streams: Any
    table: str
    stream_arn: str
    disable: Callable[[], object]

    def put(self, name: str, **texts: str) -> None:
        item = {"id": {"S": name}} | {key: {"S": text} for key, text in texts.items()}
        self.dynamodb.put_item(TableName=self.table, Item=item)

    def delete(self, name: str) -> None:
        self.dynamodb.delete_item(TableName=self.table, Key={"id": {"S": name}})

    def stream(self, **arguments: Any) -> Json:
        answer = self.streams.describe_stream(StreamArn=self.stream_arn, **arguments)
        description: Json = answer["StreamDescription"]
        return description

    def shard(self) -> Json:
        """The first shard, as listed."""
        shard: Json = self.stream()["Shards"][0]
        return shard

    def iterator(self, kind: str, **arguments: Any) -> str:
        arguments.setdefault("ShardId", self.shard()["ShardId"])
        answer = self.streams.get_shard_iterator(
            StreamArn=self.stream_arn, ShardIteratorType=kind, **arguments
        )
        return str(answer["ShardIterator"])

    def records(self, iterator: str, **arguments: Any) -> Json:
        answer: Json = self.streams.get_records(ShardIterator=iterator, **arguments)
        return answer

    def read(self, kind: str, **arguments: Any) -> list[Json]:
        """The records of one page at a position."""
        records: list[Json] = self.records(self.iterator(kind, **arguments))["Records"]
        return records

    def scan(self, **arguments: Any) -> Json:
        answer: Json = self.dynamodb.scan(TableName=self.table, **arguments)
        return answer

    def scan_all(self, **arguments: Any) -> list[list[str]]:
        """The names on each page."""
        pages: list[list[str]] = []
        start: Json = {}
        while True:
            answer = self.scan(**arguments, **start)
            pages.append([item["id"]["S"] for item in answer["Items"]])
            if "LastEvaluatedKey" not in answer:
                return pages
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


@contextlib.contextmanager
def simulated_partners(
    count: int, clock: VirtualClock | None = None
) -> Iterator[Iterator[Partner]]:
    """Tables of one service, for one pair of clients: making clients takes longer than a script."""
    clock = clock or VirtualClock()
    tables = [
        SimulatedTable(clock, name=f"routes-{number}", view_type="NEW_AND_OLD_IMAGES")
        for number in range(count)
    ]
    with simulated_service(*tables) as endpoint_url:
        address = {"endpoint_url": endpoint_url, "region": REGION}
        keys = {"access_key": "simulated", "secret_key": "simulated"}
        dynamodb = client("dynamodb", **address, **keys, **_CLIENT)
        streams = client("dynamodbstreams", **address, **keys, **_CLIENT)
        yield (
            Partner(dynamodb, streams, table.name, table.stream_arn, table.disable)
            for table in tables
        )


def local_partners(server: DynamoDBLocal) -> Iterator[Partner]:
    """Tables of one database."""
    dynamodb, streams = server.dynamodb(**_CLIENT), server.streams(**_CLIENT)
    while True:
        table = server.table("routes")
        off = {"TableName": table.name, "StreamSpecification": {"StreamEnabled": False}}
        disable = partial(dynamodb.update_table, **off)
        yield Partner(dynamodb, streams, table.name, table.stream_arn or "", disable)


def refusal_of(call: Callable[[], object]) -> str:
    """The code of a refusal; "" for an answer."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def shape_of(answer: Any) -> Any:
    """Types instead of values; a list as the shape of its first element."""
    match answer:
        case dict():
            names = sorted(set(answer) - {"ResponseMetadata"})
            return {name: shape_of(answer[name]) for name in names}
        case list():
            return [shape_of(each) for each in answer[:1]]
        case _:
            return type(answer).__name__
