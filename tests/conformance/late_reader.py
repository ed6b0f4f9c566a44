"""A consumer as one writes it on the first day: it proves that the stories can fail.

It scans, takes LATEST on the shards that the first page of the listing shows, keeps its positions
in memory, and takes every refusal for a reason to begin again at the oldest record.
"""

from typing import Any

from botocore.exceptions import ClientError

from tests.conformance.consumer import Health, Life, Place, TypedItems
from tests.servers.clients import client


class LateReader:
    """Follows; loses what came before its first poll, and notices nothing."""

    def __init__(self, place: Place) -> None:
        address = {"endpoint_url": place.endpoint_url, "region": place.region}
        keys = {"access_key": place.access_key, "secret_key": place.secret_key}
        self._table = place.table_name
        self._dynamodb = client("dynamodb", **address, **keys)
        self._streams = client("dynamodbstreams", **address, **keys)
        self._items: dict[str, dict[str, Any]] = {}
        self._is_ready = False

    def live(self, life: Life) -> None:
        table = self._dynamodb.describe_table(TableName=self._table)["Table"]
        arn = table["LatestStreamArn"]
        listed = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        shards = [shard["ShardId"] for shard in listed]
        iterators: dict[str, str | None] = {each: self._at(arn, each, "LATEST") for each in shards}
        for item in self._dynamodb.scan(TableName=self._table)["Items"]:
            self._items[item["id"]["S"]] = item
        try:
            while not life.stop.is_set():
                for shard_id, iterator in iterators.items():
                    if iterator is not None:
                        iterators[shard_id] = self._poll(arn, shard_id, iterator)
                self._is_ready = True  # the loop is alive
                life.pause(life.wishes.poll_seconds or 5.0)
        finally:
            self._is_ready = False

    def health(self) -> Health:
        return Health(ready=self._is_ready, lag_seconds=0.0)

    def items(self) -> TypedItems:
        return list(self._items.values())

    def columns(self) -> set[str]:
        return {name for item in self._items.values() for name in item}

    def check(self) -> None:
        """It has nothing to prove."""

    def _poll(self, arn: str, shard_id: str, iterator: str) -> str | None:
        try:
            page = self._streams.get_records(ShardIterator=iterator)
        except ClientError:
            return self._at(arn, shard_id, "TRIM_HORIZON")
        for record in page["Records"]:
            change = record["dynamodb"]
            key = change["Keys"]["id"]["S"]
            if "NewImage" in change:
                self._items[key] = change["NewImage"]
            else:
                self._items.pop(key, None)
        following: str | None = page.get("NextShardIterator")
        return following

    def _at(self, arn: str, shard_id: str, kind: str) -> str:
        answer = self._streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard_id, ShardIteratorType=kind
        )
        return str(answer["ShardIterator"])
