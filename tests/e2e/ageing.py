"""A node that grows old: one table under several names, each with a behaviour of its own.

Only DynamoDB Local's clock is moved. The node keeps the machine's clock, as it would anywhere: it
judges ages by the Date of the service's answers, and a node that asked its own clock would take
each of these files for a minute old. Several datasets in one process cost one start.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from snowmelt import client
from tests.e2e.nodes import Document, Key, Node, differences, items_of, table_items, table_params
from tests.flights import Item
from tests.servers.moving_clock import MovingClock
from tests.servers.turnstile import Turnstile, turnstile

SCAN = "Scan"


@dataclass
class AgeingTable:
    """A table of 60 items, changed while time passes; `changes` counts its stream's records."""

    clock: MovingClock
    changes: int = 0

    def __post_init__(self) -> None:
        self.name = self.clock.server.table("ageing").name
        for number in range(60):
            self.put(number)

    @cached_property
    def client(self) -> Any:
        """A way to the table that is counted nowhere.

        A server whose clock runs fast takes a moment's wait for a lock, or of a connection, for
        minutes, and refuses.
        """
        return self.clock.server.dynamodb(retries={"mode": "standard", "total_max_attempts": 9})

    def put(self, number: int, **more: dict[str, str]) -> Item:
        """One item, with a value that it never had: every put is a record of the stream."""
        self.changes += 1
        item: Item = {"id": {"S": f"k-{number}"}, "v": {"N": str(self.changes)}, **more}
        self.client.put_item(TableName=self.name, Item=item)
        return item

    def delete(self, number: int) -> None:
        """Delete an item that is there."""
        self.changes += 1
        self.client.delete_item(TableName=self.name, Key={"id": {"S": f"k-{number}"}})

    def change(self) -> None:
        """Some puts, new and over old ones, and a delete."""
        new = 1000 + self.changes
        for number in range(5):
            self.put(number)
            self.put(new + number)
        self.delete(new + 4)

    def make_anew(self) -> None:
        """Delete the table, and make one of the same name with one item."""
        description = self.client.describe_table(TableName=self.name)["Table"]
        kept = ("TableName", "KeySchema", "AttributeDefinitions", "StreamSpecification")
        self.client.delete_table(TableName=self.name)
        self.client.create_table(
            **{name: description[name] for name in kept}, BillingMode="PAY_PER_REQUEST"
        )
        self.put(0)

    def set_stream(self, view: str | None) -> None:
        """Enable the stream with this view type, or disable it."""
        enabled = {"StreamEnabled": True, "StreamViewType": view}
        self.client.update_table(
            TableName=self.name, StreamSpecification=enabled if view else {"StreamEnabled": False}
        )

    def enable_time_to_live(self, attribute: str) -> None:
        """From now on the service deletes items whose time in this attribute is past."""
        self.client.update_time_to_live(
            TableName=self.name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute},
        )

    def items(self) -> dict[Key, Item]:
        """A plain Scan."""
        return table_items(self.clock.server, self.name, ["id"])


@dataclass
class Copy:
    """One dataset of a node. `gate`: all that this dataset asks of DynamoDB."""

    node: Node
    number: int
    gate: Turnstile

    @property
    def name(self) -> str:
        return str(self.node.document["datasets"][self.number]["name"])

    def status(self) -> Document:
        """Empty before the node answers."""
        return self.node.status(self.number) if self.node.answers() else {}

    def count(self) -> tuple[int | None, bool]:
        """How many rows a query finds, and whether the answer is labelled stale."""
        statement = f'select count(*) as n from "{self.name}"'
        rows, is_stale = self.node.stale_sql(statement, self.name)
        return (None if rows is None else rows[0]["n"]), is_stale

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        self.node.wait_until(f"{self.name}: {what}", holds)

    def wait_for_problem(self, exit_code: int) -> str:
        """Until the dataset is in error with this code; returns the message."""
        said: list[str] = []

        def is_there() -> bool:
            status = self.status()
            problem = status["problem"] if status.get("state") == "error" else None
            if problem is not None and int(problem["exit_code"]) == exit_code:
                said.append(problem["message"])
            return bool(said)

        self.wait_until(f"error {exit_code}", is_there)
        return said[0]

    def wait_for_any_answer(self, rows: int) -> None:
        """Until a query finds so many rows, whether it is labelled stale or not."""
        self.wait_until(f"{rows} rows", lambda: self.count()[0] == rows)

    def wait_for_snapshot(self) -> None:
        """Until one was published that holds everything that was committed."""

        def is_published() -> bool:
            status = self.status()
            newest = (status["snapshot"] or {}).get("last_id") or "0-0-0"
            return int(newest.split("-")[1]) >= int(status["version"])

        self.wait_until("a snapshot of it all", is_published)

    def wait_ready(self) -> None:
        self.wait_until("ready", lambda: bool(self.status().get("ready")))

    def wait_for_records(self, count: int) -> None:
        """Until this process has committed so many, and not one more."""
        self.wait_until(f"{count} records", lambda: self.status()["records_total"] >= count)
        assert self.status()["records_total"] == count, self.name

    def get(self, item: Item) -> Item | None:
        """What the dataset has under this item's key; raises where it cannot be asked."""
        target = f"/v1/datasets/{self.name}/item"
        body = f'["{item["id"]["S"]}"]'.encode()
        found: Item | None = client.call(self.node.query, "POST", target, body)["item"]
        return found

    def wait_for(self, item: Item) -> None:
        """Until the dataset has exactly this item; meanwhile it may be bringing in a new file."""

        def is_there() -> bool:
            try:
                return bool(self.get(item) == item)
            except client.Answered:
                return False

        self.wait_until(f"{item}", is_there)

    def wait_for_count(self, rows: int | None, *, is_stale: bool = False) -> None:
        """Until a query finds so many rows, None for no answer, and is labelled so."""
        self.wait_until(f"{rows} rows", lambda: self.count() == (rows, is_stale))

    def items(self) -> dict[Key, Item]:
        """Of the stopped node's file."""
        data = self.node.document["runtime"]["data_dir"]
        acceleration = self.node.document["datasets"][self.number]["acceleration"]
        engine = acceleration["engine"]
        return items_of(self.node.home / data / f"{self.name}.{engine}", self.name, engine)


@dataclass
class Ageing:
    """A table, and a node that has it under several names."""

    table: AgeingTable
    node: Node
    copies: dict[str, Copy]

    def stop_when_equal(self, *names: str) -> None:
        """Until these hold every change; then they are compared item by item, as files."""
        marker = self.table.put(0)
        for name in names:
            copy = self.copies[name]
            copy.wait_for(marker)
        assert self.node.stop() == 0
        wanted = self.table.items()
        for name in names:
            assert differences(wanted, self.copies[name].items()) == "", name


MakeAgeing = Callable[..., Ageing]


@contextmanager
def making(clock: MovingClock, make_node: Callable[..., Node]) -> Iterator[MakeAgeing]:
    """`make("duckdb", {"name": params, …})`: a node that is not started yet, with a new table.

    `of`: with this table instead.
    """
    numbers: list[int] = []
    with ExitStack() as stack:

        def make(
            engine: str,
            datasets: dict[str, Document],
            *,
            of: AgeingTable | None = None,
            acceleration: Document | None = None,
            **sections: Any,
        ) -> Ageing:
            table = of or AgeingTable(clock)
            gates = [stack.enter_context(turnstile(clock.server.endpoint_url)) for _ in datasets]
            document = {
                "version": "v1",
                "datasets": [
                    {
                        "from": f"dynamodb:{table.name}",
                        "name": name,
                        "params": table_params(clock.server, **params) | {"endpoint_url": address},
                        "acceleration": {"engine": engine, **(acceleration or {})},
                    }
                    for (name, params), (_, address) in zip(datasets.items(), gates, strict=True)
                ],
                **sections,
            }
            numbers.append(len(numbers))
            node = make_node(f"node-{numbers[-1]}", document)
            copies = {
                name: Copy(node, number, gates[number][0]) for number, name in enumerate(datasets)
            }
            return Ageing(table, node, copies)

        yield make
