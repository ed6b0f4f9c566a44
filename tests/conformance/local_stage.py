"""The same stories on DynamoDB Local, with its own clock, real threads and a file.

One clock jumps where a story says so; the other one runs 1,800 times faster, so that shards roll
over each eight seconds. A consumer reaches the server through a turnstile that counts its calls.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conformance.consumer import Life, Place, TypedItems, Wishes
from tests.conformance.stage import Maker, Stage, Step
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.moving_clock import MovingClock
from tests.servers.turnstile import Turnstile, turnstile
from tests.simulators.stream import typed

PATIENCE_SECONDS = 120.0


class LocalStage(Stage):
    """A table of DynamoDB Local. `clock` None: it runs by itself."""

    def __init__(
        self,
        server: DynamoDBLocal,
        clock: MovingClock | None,
        maker: Maker,
        folder: Path,
        gate: Turnstile,
        address: str,
    ) -> None:
        self._clock, self._gate = clock, gate
        # A server whose clock runs fast takes a moment's wait of a connection for minutes.
        self._client = server.dynamodb(retries={"mode": "standard", "total_max_attempts": 9})
        self._streams = server.streams(retries={"mode": "standard", "total_max_attempts": 9})
        self._table = server.table("routes").name
        keys = (server.access_key, server.secret_key)
        self.consumer = maker(Place(address, server.region, *keys, self._table, folder))
        # A quarter of a second between two polls is as much as seven minutes of a fast clock.
        fast = Wishes(poll_seconds=0.1, ready_lag_seconds=12 * 3600.0)
        self.wishes = Wishes(poll_seconds=0.1) if clock else fast

    @classmethod
    @contextlib.contextmanager
    def opened(
        cls, server: DynamoDBLocal, clock: MovingClock | None, maker: Maker, folder: Path
    ) -> Iterator["LocalStage"]:
        with turnstile(server.endpoint_url) as (gate, address):
            yield cls(server, clock, maker, folder, gate, address)

    # ------------------------------------------------------------ the table

    def put(self, key: str, **values: object) -> None:
        self._client.put_item(TableName=self._table, Item=typed(key, **values))

    def delete(self, key: str) -> None:
        self._client.delete_item(TableName=self._table, Key={"id": {"S": key}})

    def roll_over(self) -> None:
        before = self._open_shards()
        wait_until(lambda: not before & self._open_shards(), "a rollover")

    def disable(self) -> None:
        self._set_stream({"StreamEnabled": False})

    def enable(self, view_type: str = "NEW_AND_OLD_IMAGES") -> None:
        self._set_stream({"StreamEnabled": True, "StreamViewType": view_type})

    def drop(self) -> None:
        self._client.delete_table(TableName=self._table)

    def recreate(self) -> None:
        description = self._client.describe_table(TableName=self._table)["Table"]
        kept = ("TableName", "KeySchema", "AttributeDefinitions", "StreamSpecification")
        self.drop()
        same = {name: description[name] for name in kept}
        self._client.create_table(**same, BillingMode="PAY_PER_REQUEST")

    def jump(self, hours: float) -> None:
        assert self._clock is not None, "this clock runs by itself"
        self._clock.advance(hours=hours)

    def table_items(self) -> TypedItems:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table, ConsistentRead=True
        )
        return [item for page in pages for item in page["Items"]]

    def scans(self) -> int:
        return self._gate.calls["Scan"]

    # ------------------------------------------------------------ the consumer

    def live(self, *steps: Step, within_seconds: float = PATIENCE_SECONDS) -> None:
        with self._alive() as has_ended:

            def is_settled() -> bool:
                return has_ended() or (self.health().ready and self.shows_all())

            wait_until(is_settled, "caught up")
            for step in steps:
                if not has_ended():
                    step()
                    wait_until(is_settled, "caught up again")

    def live_on(self, seconds: float) -> None:
        with self._alive() as has_ended, contextlib.suppress(TimeoutError):
            wait_until(has_ended, "the end", seconds=min(seconds, PATIENCE_SECONDS))

    @contextlib.contextmanager
    def _alive(self) -> Iterator[Callable[[], bool]]:
        errors: list[BaseException] = []
        stop = threading.Event()

        def run() -> None:
            try:
                self.consumer.live(Life(stop, None, self.wishes))
            except BaseException as error:  # noqa: BLE001 - raised below, in the story
                errors.append(error)

        thread = threading.Thread(target=run, name="consumer")
        thread.start()
        try:
            yield lambda: not thread.is_alive()
        finally:
            stop.set()
            thread.join(90)
        if errors:
            raise errors[0]

    # ------------------------------------------------------------ inside

    def _open_shards(self) -> set[str]:
        arn = self._client.describe_table(TableName=self._table)["Table"]["LatestStreamArn"]
        shards: list[dict[str, Any]] = self._streams.describe_stream(StreamArn=arn)[
            "StreamDescription"
        ]["Shards"]
        return {
            shard["ShardId"]
            for shard in shards
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        }

    def _set_stream(self, specification: dict[str, Any]) -> None:
        self._client.update_table(TableName=self._table, StreamSpecification=specification)


def wait_until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Raises TimeoutError where it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not so after {seconds:.0f} s")
        time.sleep(0.03)
