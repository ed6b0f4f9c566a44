"""The service's part of Kinesis Data Streams for DynamoDB: changes of tables go into a real stream.

A feed writes each change to DynamoDB (any endpoint), so that the product's Scan and GetItem find
the table, and its document into a Kinesis stream when `send` is called. It brings what the service
documents: duplicates, records out of order, several tables in one stream, times in ms or µs.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.servers.kinesalite import Stream
from tests.simulators.change_documents import (
    ORDERLY,
    Change,
    Changes,
    Delivery,
    Disorder,
    Mixer,
    TypedItem,
    Unit,
    document,
)

_PUT_RECORDS = 500  # what one PutRecords takes


class KinesisFeed:
    """Write with `put` and `delete`; `send` delivers what was written since.

    `dynamodb`: a boto3 client that is given each change too. `unit` may be changed at any time.
    """

    def __init__(
        self,
        stream: Stream,
        table: str = "routes",
        *,
        dynamodb: Any = None,
        keys: tuple[str, ...] = ("id",),
        seed: int = 0,
        disorder: Disorder = ORDERLY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.table = Changes(table, keys=keys, seed=seed, now_us=0)
        self._clock = clock
        self.stream = stream
        self._dynamodb = dynamodb
        self._mixer = Mixer(seed, disorder)
        self._sent = 0

    @property
    def unit(self) -> Unit:
        return self._mixer.unit

    @unit.setter
    def unit(self, unit: Unit) -> None:
        self._mixer.unit = unit

    @contextmanager
    def one_instant(self) -> Iterator[None]:
        """Changes within have the same time: no order but that of their images."""
        self._tick()
        at, step = self.table.now_us, self.table.step_us
        self._clock, clock = (lambda: 0.0), self._clock
        self.table.step_us = 0
        yield
        self._clock, self.table.step_us = clock, step
        self.table.now_us = at + step

    def put(self, **attributes: dict[str, Any]) -> Change | None:
        """Store an item; what it changed."""
        self._tick()
        change = self.table.put(attributes)
        if self._dynamodb is not None:
            self._dynamodb.put_item(TableName=self.table.name, Item=attributes)
        return change

    def delete(self, *, ttl: bool = False, **keys: dict[str, Any]) -> Change | None:
        """Delete an item; `ttl`: as the service itself does it."""
        self._tick()
        change = self.table.delete(keys, ttl=ttl)
        if self._dynamodb is not None:
            self._dynamodb.delete_item(TableName=self.table.name, Key=keys)
        return change

    def items(self) -> list[TypedItem]:
        return self.table.items()

    def send(self) -> int:
        """Deliver what was written since, in some disorder; how many records that were."""
        deliveries = self._mixer.mixed(self.table.log[self._sent :])
        self._sent = len(self.table.log)
        return self.deliver(deliveries)

    def skip(self) -> None:
        """Never deliver what was written since."""
        self._sent = len(self.table.log)

    def send_again(self, changes: Sequence[Change] = ()) -> int:
        """Deliver these once more, or the late duplicates that have become due."""
        again = [self._mixer.delivery(change) for change in changes]
        if not changes:
            again, self._mixer.later = self._mixer.later, []
        return self.deliver(again)

    def send_to(self, shard_id: str, *changes: Change) -> None:
        """Deliver these in this order and at once, all into this shard."""
        hash_key = self.stream.hash_key_of(shard_id)
        self.stream.kinesis.put_records(
            StreamName=self.stream.name,
            Records=[
                {
                    "Data": document(change, self.unit),
                    "PartitionKey": "p",
                    "ExplicitHashKey": hash_key,
                }
                for change in changes
            ],
        )

    def deliver(self, deliveries: Sequence[Delivery]) -> int:
        """Records as they are."""
        for start in range(0, len(deliveries), _PUT_RECORDS):
            self.stream.kinesis.put_records(
                StreamName=self.stream.name,
                Records=[
                    {"Data": each.data, "PartitionKey": each.partition_key}
                    for each in deliveries[start : start + _PUT_RECORDS]
                ],
            )
        return len(deliveries)

    def _tick(self) -> None:
        self.table.now_us = max(self.table.now_us, int(self._clock() * 1_000_000))
