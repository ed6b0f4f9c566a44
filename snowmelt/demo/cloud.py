"""An AWS on this machine for the demonstration: moto's server in this process, one table.

The table is older than its stream, as a real one is: a stream holds a day, a table years. So the
stream is enabled after the load, and a node has to scan.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from typing import Any

from cdc.keys import Item
from snowmelt.errors import UsageError
from snowmelt.progress import Report

TABLE = "pipelines"
REGION = "us-east-1"
ACCESS_KEY = "demo"
_BATCH = 25
_TENANTS = 500


class Cloud:
    """The server and a client for the application that owns the table."""

    def __init__(self) -> None:
        try:
            from moto.server import ThreadedMotoServer
        except ImportError as error:
            raise UsageError(
                "the demo needs its embedded AWS",
                hint="pip install 'snowmelt[demo]', or start it by uvx",
            ) from error
        import boto3

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint_url = f"http://{host}:{port}"
        self._dynamodb = boto3.client(
            "dynamodb",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=ACCESS_KEY,
            verify=False,
        )

    def create_table(self) -> None:
        """An empty table without a stream."""
        self._dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "tenant", "KeyType": "HASH"},
                {"AttributeName": "route", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "tenant", "AttributeType": "S"},
                {"AttributeName": "route", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    def load(self, rows: int, report: Report) -> None:
        """Write the items and then enable the stream."""
        for begin in range(0, rows, _BATCH):
            batch = [
                {"PutRequest": {"Item": item(i)}} for i in range(begin, min(begin + _BATCH, rows))
            ]
            self._dynamodb.batch_write_item(RequestItems={TABLE: batch})
            report(begin + len(batch), rows)
        self._dynamodb.update_table(
            TableName=TABLE,
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )

    def change(self, rows: int, count: int) -> int:
        """Updates, puts of new items and deletes, 8 : 1 : 1; returns how many records they make."""
        chosen = random.Random(7).sample(range(rows), min(count, rows))  # noqa: S311 - a repeatable demo
        for number, index in enumerate(chosen):
            if number % 10 == 0:
                key = {name: item(index)[name] for name in ("tenant", "route")}
                self._dynamodb.delete_item(TableName=TABLE, Key=key)
            elif number % 10 == 1:
                self._dynamodb.put_item(TableName=TABLE, Item=item(rows + number))
            else:
                changed = item(index) | {"weight": {"N": str(1000 + number)}}
                self._dynamodb.put_item(TableName=TABLE, Item=changed)
        return len(chosen)

    def put_stray_item(self) -> None:
        """One more item that no compared node has seen."""
        self._dynamodb.put_item(TableName=TABLE, Item=item(10**9))

    def scan(self) -> Iterator[list[Item]]:
        """The table by plain Scan, in pages."""
        arguments: dict[str, Any] = {"TableName": TABLE, "ConsistentRead": True}
        while True:
            page = self._dynamodb.scan(**arguments)
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def close(self) -> None:
        """Stop the server."""
        self._server.stop()


def _policy(index: int) -> str:
    # Half a kilobyte, as such documents have; a page of the server's scan then holds 2,000 items.
    names = (f"retry-{index % 7}", f"timeout-{index % 31}", f"mirror-{index % 13}", "audit")
    rules = [{"name": name, "match": f"/v{index % 5}/{name}/**", "allow": True} for name in names]
    target = f"10.{index % 251}.{index // 251 % 251}.{index % 13}:8443"
    return json.dumps({"kind": ("http", "grpc")[index % 2], "target": target, "rules": rules})


def item(index: int) -> Item:
    """A routing entry as a control plane keeps it; the same for the same index.

    Few attributes: the server spends 0.1 ms of CPU on each, in every scan (measured, moto 5).
    """
    entry: Item = {
        "tenant": {"S": f"tenant#{index % _TENANTS:04d}"},
        "route": {"S": f"route#{index:08d}"},
        "weight": {"N": str(index % 100)},
        "policy": {"S": _policy(index)},
    }
    if index % 16 == 0:
        limits = {"rps": {"N": str(index % 900 + 100)}, "burst": {"N": "50"}}
        entry |= {"enabled": {"BOOL": index % 7 != 0}, "limits": {"M": limits}}
    return entry
