"""The naive way: what the documentation of boto3 shows, one record at a time.

botocore parses the answer, TypeDeserializer makes Python values, each record is one INSERT OR
REPLACE or DELETE on a table with a primary key. Commits are one a page, which is kind.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.kit.child import measured
from benchmarks.kit.copies import copied
from benchmarks.sides import capture_tables as tables
from benchmarks.workload.entries import ATTRIBUTES
from benchmarks.workload.pages import RECORDS_PER_PAGE, SHARDS

Answer = dict[str, Any]


def run(params: dict[str, Any]) -> dict[str, Any]:
    """From the stream on loopback, the shards in turn."""
    from boto3.dynamodb.types import TypeDeserializer

    deserialize = TypeDeserializer().deserialize
    client = stream_client(params["endpoint"])
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = copied(params["path"], Path(directory))
        connection: Any = tables.connect(params["engine"], path)
        with measured() as span:
            for answer in answers(client, params["pages"]):
                connection.execute("BEGIN")
                for record in answer["Records"]:
                    _write(connection, record, deserialize)
                connection.execute("COMMIT")
        connection.close()
        content, _ = tables.content(params["engine"], path)
    return {"content": content, **span.rates(params["pages"] * RECORDS_PER_PAGE)}


def stream_client(endpoint: str) -> Any:
    """boto3's client of the stream on loopback."""
    import boto3

    return boto3.client(
        "dynamodbstreams",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",  # noqa: S106 - the stream on loopback checks none
    )


def answers(client: Any, pages: int) -> Iterator[Answer]:
    """The pages of all shards in turn."""
    iterators = {shard: f"{shard}:{shard}" for shard in range(SHARDS)}
    for number in range(pages):
        shard = number % SHARDS
        answer = client.get_records(ShardIterator=iterators[shard], Limit=RECORDS_PER_PAGE)
        iterators[shard] = answer["NextShardIterator"]
        yield answer


def _write(connection: Any, record: Answer, deserialize: Callable[[Any], Any]) -> None:
    change = record["dynamodb"]
    if record["eventName"] == "REMOVE":
        keys = {name: deserialize(value) for name, value in change["Keys"].items()}
        connection.execute(tables.DELETE, [keys["tenant"], keys["route"]])
        return
    item = {name: deserialize(value) for name, value in change["NewImage"].items()}
    item["config"] = json.dumps(item["config"], default=str)
    connection.execute(tables.INSERT, [item.get(name) for name in ATTRIBUTES])
