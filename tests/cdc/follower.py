"""A node's capture of one real table, in this process: opened, followed into, compared, closed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cdc.accelerator import Engine
from cdc.aws import AwsParams
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings, CaptureStatus
from cdc.dynamodb import DynamoDbSource
from cdc.engines import open_accelerator
from tests.servers.dynamodb_local import DynamoDBLocal, Table
from tests.simulators.memory import as_text

QUICK = CaptureSettings(shard_calls_per_second=50.0)


class Follower:
    """`endpoint_url`: where capture finds the server, if not where the test does."""

    settings = QUICK
    source_type: type[DynamoDbSource] = DynamoDbSource

    def __init__(
        self,
        server: DynamoDBLocal,
        table: Table,
        path: Path,
        engine: Engine,
        endpoint_url: str | None = None,
    ) -> None:
        self.table = table
        self.client = server.dynamodb()
        self.params = AwsParams(
            region=server.region,
            auth="key",
            endpoint_url=server.endpoint_url,
            access_key_id=server.access_key,
            secret_access_key=server.secret_key,
        )
        self._capture_params = replace(
            self.params, endpoint_url=endpoint_url or server.endpoint_url
        )
        self.engine, self.path = engine, path

    @contextmanager
    def running(self, until: Callable[[CaptureStatus], bool] | None = None) -> Iterator[Capture]:
        """Capture in a thread; on entry it has come so far, on exit everything was committed."""
        keys = self.source_type(self.table.name, self.params).describe().keys
        source = self.source_type(self.table.name, self._capture_params)
        self.file = open_accelerator(self.engine, self.path, "routes", keys=keys, create=True)
        stop, errors = threading.Event(), list[Exception]()
        capture = Capture(source, self.file, settings=self.settings, generation=1, stop=stop)

        def run() -> None:
            try:
                capture.run()
            except Exception as error:  # noqa: BLE001 - raised in the test below
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait(lambda: bool(errors) or (until or is_ready)(capture.status()))
            if not errors:
                yield capture
        finally:
            stop.set()
            thread.join(90)
            self.file.close()
        if errors:
            raise errors[0]

    def scan(self) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.table.name, ConsistentRead=True
        )
        return [item for page in pages for item in page["Items"]]

    def put(self, **attributes: dict[str, Any]) -> None:
        self.client.put_item(TableName=self.table.name, Item=attributes)

    def delete(self, **key: dict[str, Any]) -> None:
        self.client.delete_item(TableName=self.table.name, Key=key)

    def items(self) -> list[dict[str, Any]]:
        return [item for page in self.file.items() for item in page]

    def equals_the_table(self) -> bool:
        return as_text(self.items()) == as_text(self.scan())


def is_ready(status: CaptureStatus) -> bool:
    return status.ready


def wait(done: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.02)


def text(value: str) -> dict[str, str]:
    return {"S": value}


def number(value: object) -> dict[str, str]:
    return {"N": str(value)}
