"""A table, the Kinesis stream of its changes and a capture that follows them, for stories.

The table is moto's, the stream kinesalite's; a feed writes into both, and brings the disorder.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdc.accelerator import Engine
from cdc.capture import Capture
from cdc.capture_status import CaptureStatus
from cdc.checkpoint import Checkpoint
from cdc.kinesis import KinesisSource
from cdc.position import After, End
from tests.cdc.follower import Follower, wait
from tests.servers.dynamodb_local import DynamoDBLocal, Table
from tests.servers.kinesalite import Kinesalite, Stream
from tests.servers.kinesis_front import KinesisFront, kinesis_front
from tests.servers.moto import MotoServer
from tests.simulators.change_documents import ORDERLY, Disorder
from tests.simulators.kinesis_feed import KinesisFeed

SECONDS = 90.0


class KinesisFollower(Follower):
    """A capture of a table by its Kinesis stream."""

    source_type = KinesisSource  # type: ignore[assignment] # another source of a table

    @contextmanager
    def running(self, until: Callable[[CaptureStatus], bool] | None = None) -> Iterator[Capture]:
        """As soon as the table was loaded: to be ready takes two seconds more."""
        with super().running(until or has_scanned) as capture:
            yield capture


def has_scanned(status: CaptureStatus) -> bool:
    return status.checkpoint is not None and status.checkpoint.scan.ended_at is not None


@dataclass
class World:
    """What a story has. `front` is the one endpoint that the capture knows."""

    kinesalite: Kinesalite
    front: KinesisFront
    table: Table
    stream: Stream
    feed: KinesisFeed
    follower: KinesisFollower

    def put(self, key: str, **values: int | str) -> None:
        """An item of numbers and texts."""
        typed = {
            name: {"N": str(value)} if isinstance(value, int) else {"S": value}
            for name, value in values.items()
        }
        self.feed.put(id={"S": key}, **typed)

    def delete(self, key: str, *, ttl: bool = False) -> None:
        self.feed.delete(id={"S": key}, ttl=ttl)

    def another_feed(self, name: str, seed: int = 1) -> KinesisFeed:
        """Of a table that nobody follows, into the same stream."""
        return KinesisFeed(self.stream, name, seed=seed, disorder=Disorder(4, 0.2))

    def follower_at(self, endpoint_url: str) -> KinesisFollower:
        """The capture, which knows another endpoint from now on."""
        before = self.follower
        self.follower = KinesisFollower(
            DynamoDBLocal(endpoint_url), self.table, before.path, before.engine
        )
        self.follower.client = before.client
        return self.follower

    def unread(self, checkpoint: Checkpoint) -> int:
        """How many records of the stream a reader at this checkpoint has not committed."""
        count = 0
        for shard_id in (shard["ShardId"] for shard in self.stream.shards()):
            orders = [int(each["SequenceNumber"]) for each in self.stream.records(shard_id)]
            known = checkpoint.shards.get(shard_id)
            match known and known.position:
                case After(sequence):
                    count += sum(order > int(sequence) for order in orders)
                case End():
                    pass
                case _:
                    count += len(orders)
        return count

    def settled(self, capture: Capture, records: int) -> None:
        """Wait until so many changes were read by this capture, and the file is the table."""
        self.settled_records(capture, records)
        wait(self.follower.equals_the_table, SECONDS)

    def settled_records(self, capture: Capture, records: int) -> None:
        """Wait until so many changes were read by this capture, and are in the file."""
        wait(lambda: capture.status().records_total >= records, SECONDS)

    def advance(self, *, minutes: float = 0.0, hours: float = 0.0) -> None:
        """Let time pass for the services, and for the changes to come."""
        self.kinesalite.advance(minutes=minutes, hours=hours)
        self.front.ahead_seconds += (minutes + hours * 60) * 60

    def values(self) -> dict[str, Any]:
        """Of each item in the file its `v`."""
        return {item["id"]["S"]: item["v"]["N"] for item in self.follower.items()}


@contextmanager
def world(
    kinesalite: Kinesalite,
    moto_server: MotoServer,
    path: Path,
    engine: Engine,
    *,
    shards: int = 2,
    disorder: Disorder = ORDERLY,
    seed: int = 0,
) -> Iterator[World]:
    """A new table with its stream, and nothing in either."""
    with kinesis_front(moto_server.endpoint_url, kinesalite.endpoint_url) as front:
        server = DynamoDBLocal(moto_server.endpoint_url)
        table = server.table("routes", view=None)
        stream = kinesalite.stream(table.name, shards=shards)
        front.enable(table.name, stream.arn)
        feed = KinesisFeed(
            stream,
            table.name,
            dynamodb=server.dynamodb(),
            seed=seed,
            disorder=disorder,
            clock=kinesalite.now,
        )
        follower = KinesisFollower(DynamoDBLocal(front.endpoint_url), table, path, engine)
        follower.client = server.dynamodb()  # the test's own reads are not counted
        yield World(kinesalite, front, table, stream, feed, follower)
