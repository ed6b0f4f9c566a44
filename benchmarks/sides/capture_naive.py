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
from benchmarks.sides import capture_tables as tables
from benchmarks.workload.pages import ATTRIBUTES, RECORDS_PER_PAGE, SHARDS

_INSERT = f"INSERT OR REPLACE INTO items VALUES ({', '.join('?' * len(ATTRIBUTES))})"
_DELETE = "DELETE FROM items WHERE tenant = ? AND route = ?"
Answer = dict[str, Any]


def wire(params: dict[str, Any]) -> dict[str, Any]:
    """From bodies on disk."""
    parse = _parser()
    bodies = (Path(file).read_bytes() for file in params["files"])
    return _run(params, lambda: (parse(body) for body in bodies))


def over_http(params: dict[str, Any]) -> dict[str, Any]:
    """From the canned stream, the shards in turn."""
    client = stream_client(params["endpoint"])
    return _run(params, lambda: answers(client, len(params["files"])))


def stream_client(endpoint: str) -> Any:
    """boto3's client of the canned stream."""
    import boto3

    return boto3.client(
        "dynamodbstreams",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",  # noqa: S106 - the canned stream checks none
    )


def answers(client: Any, pages: int) -> Iterator[Answer]:
    """The pages of all shards in turn."""
    iterators = {shard: f"{shard}:{shard}" for shard in range(SHARDS)}
    for number in range(pages):
        shard = number % SHARDS
        answer = client.get_records(ShardIterator=iterators[shard], Limit=RECORDS_PER_PAGE)
        iterators[shard] = answer["NextShardIterator"]
        yield answer


def _run(params: dict[str, Any], read: Callable[[], Iterator[Answer]]) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeDeserializer

    deserialize = TypeDeserializer().deserialize
    engine = params["engine"]
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / f"items.{engine}"
        connection: Any = getattr(tables, f"open_{engine}")(path)
        connection.execute(tables.create_table(engine, keyed=True))
        with measured() as span:
            for answer in read():
                connection.execute("BEGIN")
                for record in answer["Records"]:
                    _write(connection, record, deserialize)
                connection.execute("COMMIT")
        content = tables.content(connection) if params["verify"] else None
        connection.close()
    rates = span.rates(len(params["files"]) * RECORDS_PER_PAGE)
    return {"measures": {params["measure"]: rates}, "content": content}


def _write(connection: Any, record: Answer, deserialize: Callable[[Any], Any]) -> None:
    change = record["dynamodb"]
    if record["eventName"] == "REMOVE":
        keys = {name: deserialize(value) for name, value in change["Keys"].items()}
        connection.execute(_DELETE, [keys["tenant"], keys["route"]])
        return
    item = {name: deserialize(value) for name, value in change["NewImage"].items()}
    item["config"] = json.dumps(item["config"], default=str)
    connection.execute(_INSERT, [item.get(name) for name in ATTRIBUTES])


def _parser() -> Callable[[bytes], Answer]:
    """Botocore's own parser of GetRecords, as a client uses it."""
    import botocore.parsers
    import botocore.session

    model = botocore.session.get_session().get_service_model("dynamodbstreams")
    shape = model.operation_model("GetRecords").output_shape
    parser = botocore.parsers.create_parser(model.metadata["protocol"])

    def parse(body: bytes) -> Answer:
        answer: Answer = parser.parse({"body": body, "headers": {}, "status_code": 200}, shape)
        return answer

    return parse
