"""Whole nodes on virtual time: one table, one bucket, and nodes with files of their own.

Everything of the node is the product's, its listeners' answers included; the table is simulated,
and the bucket is a folder whose clock is the virtual one and whose door can be closed.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from cdc.accelerator import QueryLimits
from cdc.aws import ServiceClock
from cdc.dynamodb import DynamoDbSource
from cdc.errors import SourceUnreachable
from cdc.keys import Item
from cdc.rebuild import canonical_item
from cdc.source import Source
from snapshotter.errors import StoreUnreachable
from snapshotter.format import Pointer
from snapshotter.reader import read_pointer
from snapshotter.store import ObjectInfo
from snapshotter.stores import StoreParams, open_store
from snowmelt import http, metrics
from snowmelt.config_file import parse
from snowmelt.handover import Handover
from snowmelt.listeners import Listener
from snowmelt.runtimes import Runtime, runtime_of
from snowmelt.wiring import DatasetPlan, wire
from tests.simulators.clock import VirtualClock
from tests.simulators.http_world import params_of, pauses_move
from tests.simulators.memory import as_text
from tests.simulators.service import simulated_service
from tests.simulators.stream import SimulatedTable
from tests.simulators.timeline import Timeline
from tests.snapshotter.faults import FaultyStore

HOUR = 3600.0
MINUTE = 60.0
STREAM_CALLS = ("list_shards", "list_children", "open_iterator", "get_records")
TABLE_CALLS = ("describe", "scan")
# Polls of an idle table are most of the work of thirty hours.
POLL_SECONDS = 20
# So are renewals of the lease.
LEASE_SECONDS = 600
PATIENCE_SECONDS = 60.0

Document = dict[str, Any]


class Bucket(FaultyStore):
    """A folder on virtual time; while it is closed nobody answers."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        super().__init__(open_store(f"file://{folder}", StoreParams()), before=self._check)
        self._clock = clock
        self.is_closed = False

    def now(self) -> float:
        return self._clock.now

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._check(0, "list", prefix)
        return super().list(prefix)

    def _check(self, _number: int, name: str, key: str) -> None:
        if self.is_closed:
            raise StoreUnreachable(f"{name} {key}: nobody answers")


class Household:
    """The table, the bucket and the time that the nodes of a test share.

    `endpoint_url`: where the table is served; without one, nodes ask it without a network between.
    `events`: what all nodes have logged.
    """

    def __init__(self, home: Path, *, rows: int = 50, shards: int = 1) -> None:
        self.home = home
        self.clock = VirtualClock()
        self.table = SimulatedTable(self.clock, shards=shards)
        self.bucket = Bucket(home / "bucket", self.clock)
        self.endpoint_url: str | None = None
        self.events: list[MutableMapping[str, Any]] = []
        self._nodes: list[VirtualNode] = []
        for number in range(rows):
            self.table.put(f"key-{number}", value=number)

    def close(self, *calls: str, shard_id: str | None = None) -> None:
        """From now on nobody answers these calls of the table, or of one shard."""
        for call in calls:
            self.table.fail(call, SourceUnreachable(f"{call}: no answer"), shard_id=shard_id)

    def close_everything(self) -> None:
        self.close(*TABLE_CALLS, *STREAM_CALLS)
        self.bucket.is_closed = True

    def open_everything(self) -> None:
        self.table.heal()
        self.bucket.is_closed = False

    def pointer(self) -> Pointer:
        return read_pointer(self.bucket, self.table.name)

    def node(self, name: str, **settings: Any) -> "VirtualNode":
        """A node with an empty disk."""
        self._nodes.append(VirtualNode(self, name, **settings))
        return self._nodes[-1]

    def source(self) -> Source:
        """What a new process asks; over a network it knows nothing of the service's time yet."""
        if self.endpoint_url is None:
            return self.table
        clock = ServiceClock(local=lambda: self.clock.now)
        return DynamoDbSource(self.table.name, params_of(self.endpoint_url), clock)

    def logged(self, event: str) -> list[MutableMapping[str, Any]]:
        return [each for each in self.events if each["event"] == event]

    def scans(self) -> int:
        return sum(operation == "scan" for operation, _ in self.table.calls)

    def end(self) -> None:
        for node in self._nodes:
            node.stop()


@contextlib.contextmanager
def household(home: Path, *, is_served: bool = False, **table: int) -> Iterator[Household]:
    """A table, a bucket and no node yet. `is_served`: nodes ask the table through the real SDK."""
    made = Household(home, **table)
    with contextlib.ExitStack() as stack:
        made.events = stack.enter_context(capture_logs())
        if is_served:
            made.endpoint_url = stack.enter_context(simulated_service(made.table))
            stack.enter_context(pauses_move(made.clock))
        stack.callback(made.end)
        yield made


class VirtualNode:
    """One node's disk, and its process where it runs."""

    def __init__(
        self,
        household: Household,
        name: str,
        *,
        role: str = "central",
        on_failure: str = "fallback",
        params: Mapping[str, Any] | None = None,
        acceleration: Mapping[str, Any] | None = None,
        snapshots: Mapping[str, Any] | None = None,
    ) -> None:
        self.household = household
        self.name = name
        self._timeline = Timeline(household.clock)
        published: dict[str, Any] = {
            "location": f"file://{household.home / 'bucket'}",
            "bootstrap_on_failure_behavior": on_failure,
            "lease": f"{LEASE_SECONDS}s",
        }
        published |= snapshots or {}
        self._document = {
            "version": "v1",
            "runtime": {"role": role},
            "snapshots": published,
            "datasets": [
                {
                    "from": f"dynamodb:{household.table.name}",
                    "name": household.table.name,
                    "params": {
                        "dynamodb_aws_region": "us-east-1",
                        "dynamodb_stream_poll_interval": f"{POLL_SECONDS}s",
                        **(params or {}),
                    },
                    "acceleration": {
                        # A commit of SQLite takes a fifth of the time of one of DuckDB.
                        "engine": "sqlite",
                        "path": str(household.home / name / "live.db"),
                        "snapshots": "enabled",
                        **(acceleration or {}),
                    },
                }
            ],
        }
        self.runtime = self._made()
        self._listeners = contextlib.ExitStack()

    # ------------------------------------------------------------ its process

    def start(self) -> "VirtualNode":
        """A new process; one that captures is held before any time passes."""
        self.runtime = runtime = self._made()
        page = metrics.page(lambda: [runtime.status()], {})
        self._admin = self._client(http.admin_app([runtime], page), "admin")
        self._query = self._client(http.query_app([runtime], QueryLimits()), "query")
        self._timeline.begin(self.runtime.start)
        return self

    def live(self, seconds: float) -> "VirtualNode":
        """Let time pass."""
        self._timeline.pass_time(seconds)
        return self

    def stop(self) -> None:
        """An orderly end, which takes no time."""
        self.runtime.stop(0.0)
        self._timeline.release()
        has_ended = self.runtime.stop(PATIENCE_SECONDS)
        self._listeners.close()
        self._timeline = Timeline(self.household.clock)
        assert has_ended, "the node does not end"

    # ------------------------------------------------------------ what it says

    @property
    def plan(self) -> DatasetPlan:
        return self.runtime.plan

    def status(self) -> Document:
        status: Document = self._admin.get("/v1/status").json()["datasets"][0]
        return status

    def is_ready(self) -> bool:
        return bool(self._admin.get("/v1/ready").status_code == 200)

    def sql(self, statement: str) -> tuple[int, Any, bool]:
        """Status, rows or what is said instead, and whether the answer is labelled stale."""
        answer = self._query.post("/v1/sql", content=statement)
        return answer.status_code, answer.json(), "X-Snowmelt-Stale" in answer.headers

    def serves(self) -> tuple[int, bool] | None:
        """Rows, and whether they are labelled stale; None if it refuses."""
        code, rows, is_stale = self.sql(f"select count(*) as n from {self.plan.name}")
        return (rows[0]["n"], is_stale) if code == 200 else None

    def get(self, key: str) -> Item | None:
        """An item by its key, exactly."""
        answer = self._query.post(f"/v1/datasets/{self.plan.name}/item", content=json.dumps([key]))
        item: Item | None = answer.json()["item"]
        return item

    def create_snapshot(self, force: str | None = None) -> tuple[int, Document]:
        """What is answered to somebody who asks for a snapshot, and why it has to be."""
        return self.ask_for_a_snapshot("" if force is None else json.dumps({"force": force}))

    def ask_for_a_snapshot(self, body: str) -> tuple[int, Document]:
        """The same in any words."""
        target = f"/v1/datasets/{self.plan.name}/acceleration/snapshots"
        answer = self._query.post(target, content=body)
        return answer.status_code, answer.json()

    def explain(self) -> Document:
        """What a cold start would do now."""
        explained: Document = self._query.get(f"/v1/datasets/{self.plan.name}/explain").json()
        return explained

    def metric(self, name: str) -> float | None:
        for family in text_string_to_metric_families(self._admin.get("/metrics").text):
            for sample in family.samples:
                if sample.name == name:
                    return sample.value
        return None

    def items(self) -> list[str]:
        """What the open file holds, in a form that compares."""
        answering = self.runtime.accelerator
        assert answering is not None
        with contextlib.ExitStack() as stack:
            if isinstance(answering, Handover):
                file = stack.enter_context(answering.using())
            else:
                file = answering
            return as_text([canonical_item(item) for page in file.items() for item in page])

    # ------------------------------------------------------------ inside

    def _made(self) -> Runtime:
        config = parse(yaml.safe_dump(self._document), {}, self.name).config
        plan = wire(config, config.datasets[0])
        # What the plan would make of endpoints, made of the household.
        vars(plan).update(
            source=self.household.source(), store=self.household.bucket, holder=self.name
        )
        return runtime_of(plan, self._timeline)

    def _client(self, app: ASGIApp, name: str) -> httpx.Client:
        listener = Listener(app, "127.0.0.1:0", name)
        listener.start()
        self._listeners.callback(listener.stop)
        address = f"http://127.0.0.1:{listener.port}"
        return self._listeners.enter_context(httpx.Client(base_url=address, timeout=90))


def table_items(table: SimulatedTable) -> list[str]:
    """What the table holds, in the form of `VirtualNode.items`."""
    items: list[Item] = list(table.items.values())
    return as_text(json.loads(json.dumps(items)))
