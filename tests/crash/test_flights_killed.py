"""The flights, and a node that is killed at random: ten times in each phase of its life.

Not at a chosen call, as the other tests here, but at any instant, with a real DynamoDB and a real
S3. By default 2,000 flights on DuckDB; with `--full` all flights on both engines.
"""

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from snowmelt.errors import NodeError
from tests.crash.audit import committed
from tests.crash.nodes import MortalNode
from tests.crash.tally import KEY
from tests.e2e.changes import change
from tests.e2e.nodes import (
    PATIENCE_SECONDS,
    Document,
    bucket,
    differences,
    table_items,
    table_params,
)
from tests.flights import FLIGHTS, KEYS, Item, flights, load
from tests.forking.client import Zygote
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.seaweedfs import SeaweedFS

pytestmark = pytest.mark.timeout(3600)
KILLS = 10
_MOST_TRIES = 60
_CHUNK = 80  # changes between two kills
_ROWS_PER_SECOND = 500  # at the least, of a node that reads all of the stream


@dataclass
class Flights:
    """The table, and how much of it was changed."""

    server: DynamoDBLocal
    table: str
    rows: int
    segments: int
    changed: int = 0
    marks: int = 0

    def change(self, count: int = _CHUNK) -> None:
        start = self.changed
        self.changed += count
        change(self.server, self.table, flights(start, self.changed), seed=start)

    def mark(self) -> Item:
        """Put one over the first flight: who has it has all before, because the stream is one."""
        self.marks += 1
        item: Item = {**next(flights(0, 1)), "mark": {"N": str(self.marks)}}
        self.server.dynamodb().put_item(TableName=self.table, Item=item)
        return item


@pytest.fixture
def table(dynamodb_local: DynamoDBLocal, request: pytest.FixtureRequest) -> Flights:
    rows = FLIGHTS if request.config.getoption("--full") else 2_000
    name = dynamodb_local.table("flights", keys=KEYS).name
    load(dynamodb_local, name, flights(0, rows))
    return Flights(dynamodb_local, name, rows, segments=max(2, rows // 4_000))


@dataclass
class Victim:
    """Nodes of one dataset, by turns alive and dead; `chance` says for how long."""

    document: Callable[[Path], Document]
    folder: Path
    zygote: Zygote
    chance: random.Random
    patience_seconds: float
    homes: int = 0

    def new(self) -> MortalNode:
        """A node with an empty disk."""
        self.homes += 1
        home = self.folder / f"node-{self.homes}"
        return MortalNode(
            home,
            self.document(home),
            patience_seconds=self.patience_seconds,
            zygote=self.zygote,
        )

    def kill_soon(self, node: MortalNode, most_seconds: float) -> None:
        time.sleep(self.chance.uniform(0, most_seconds))
        node.kill()

    def killed(self, kill: Callable[[float], bool], most_seconds: float) -> int:
        """Try until enough kills landed in their phase; how many did.

        How long a phase takes is the machine's affair: after a kill that came too late, the next
        ones come sooner.
        """
        landed = 0
        for _ in range(_MOST_TRIES):
            has_landed = kill(most_seconds)
            landed += has_landed
            if landed == KILLS:
                break
            most_seconds *= 1.0 if has_landed else 0.8
        return landed


def _document(table: Flights, snapshots: Document, engine: str, mode: str, home: Path) -> Document:
    return {
        "version": "v1",
        "snapshots": snapshots,
        "datasets": [
            {
                "from": f"dynamodb:{table.table}",
                "name": "flights",
                "params": table_params(table.server, scan_segments=table.segments),
                "acceleration": {
                    "engine": engine,
                    "path": str(home / f"flights.{engine}"),
                    "snapshots": mode,
                    "snapshots_trigger_threshold": "1h",
                },
            }
        ],
    }


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = Zygote("tests.crash.zygote")
    yield zygote
    zygote.close()


def _engines(request: pytest.FixtureRequest) -> list[str]:
    return ["duckdb", "sqlite"] if request.config.getoption("--full") else ["duckdb"]


def test_flights_arrive_whole_although_nodes_are_killed_at_random_in_each_phase(
    table: Flights,
    seaweedfs: SeaweedFS,
    zygote: Zygote,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    patience = PATIENCE_SECONDS + table.rows / _ROWS_PER_SECOND
    for engine in _engines(request):
        snapshots = bucket(seaweedfs, f"killed-{engine}")

        def centre(home: Path, engine: str = engine, snapshots: Document = snapshots) -> Document:
            # Each with a prefix of its own: none restores what one before it has published.
            own = {**snapshots, "location": f"{snapshots['location']}/{home.name}"}
            return _document(table, own, engine, "enabled", home)

        victim = Victim(centre, tmp_path / engine, zygote, random.Random(engine), patience)
        node = _bootstrapped(victim, record_property)
        published = node.document["snapshots"]

        def reader(home: Path, engine: str = engine, published: Document = published) -> Document:
            return _document(table, published, engine, "bootstrap_only", home)

        _changed(node, table, victim, record_property)
        _published(node, table, victim, record_property)
        folder = tmp_path / f"{engine}-readers"
        readers = Victim(reader, folder, zygote, random.Random(engine), patience)
        restored = _restored(readers, table, record_property)
        for each in (node, restored):
            _assert_whole(each, table)


def _bootstrapped(victim: Victim, record_property: Callable[[str, object], None]) -> MortalNode:
    node = victim.new()

    def kill(most_seconds: float) -> bool:
        nonlocal node
        if node.events_of("scan_ended"):
            shutil.rmtree(node.home)
            node = victim.new()
        node.start()
        victim.kill_soon(node, most_seconds)
        return not node.events_of("scan_ended")

    landed = victim.killed(kill, 1.5)
    record_property(KEY, f"flights, bootstrap: {landed}")
    assert landed == KILLS
    node.start().wait_ready()
    node.wait_until("a snapshot", lambda: node.snapshot()["last_id"] is not None)
    return node


def _changed(
    node: MortalNode,
    table: Flights,
    victim: Victim,
    record_property: Callable[[str, object], None],
) -> None:
    def kill(most_seconds: float) -> bool:
        writing = threading.Thread(target=table.change)
        writing.start()
        victim.kill_soon(node, most_seconds)
        was_writing = writing.is_alive()
        writing.join()
        node.start().wait_ready()
        return was_writing

    landed = victim.killed(kill, 0.4)
    record_property(KEY, f"flights, apply: {landed}")
    assert landed == KILLS


def _published(
    node: MortalNode,
    table: Flights,
    victim: Victim,
    record_property: Callable[[str, object], None],
) -> None:
    def publish() -> None:
        try:
            node.create_snapshot()
        except (NodeError, OSError):
            interrupted.set()

    def kill(most_seconds: float) -> bool:
        interrupted.clear()
        publishing = threading.Thread(target=publish)
        publishing.start()
        victim.kill_soon(node, most_seconds)
        publishing.join()
        node.start().wait_ready()
        table.change(20)
        return interrupted.is_set()

    interrupted = threading.Event()
    landed = victim.killed(kill, 0.12)
    record_property(KEY, f"flights, snapshot: {landed}")
    assert landed == KILLS

    def has_published() -> bool:
        try:
            node.create_snapshot()
        except NodeError:  # a write of the dead one may come late, and win over its heir's
            return False
        return True

    node.wait_until("a snapshot on request", has_published)


def _restored(
    victim: Victim, table: Flights, record_property: Callable[[str, object], None]
) -> MortalNode:
    node = victim.new()

    def kill(most_seconds: float) -> bool:
        nonlocal node
        if node.path.exists():
            shutil.rmtree(node.home)
            node = victim.new()
        node.start()
        victim.kill_soon(node, most_seconds)
        return not node.path.exists()

    table.change()
    landed = victim.killed(kill, 1.0)
    record_property(KEY, f"flights, restore: {landed}")
    assert landed == KILLS
    node.start().wait_ready()
    assert node.events_of("scan_ended") == []
    return node


def _assert_whole(node: MortalNode, table: Flights) -> None:
    names = [name for name, _ in KEYS]
    last = table.mark()
    node.wait_for_item([last[name]["S"] for name in names], last)
    wanted = table_items(table.server, table.table, names, table.segments)
    assert node.stop() == 0
    assert differences(wanted, node.items()) == "", node.with_log("differs")
    twice = [record for record, versions in committed(node.path).items() if len(versions) > 1]
    assert not twice, f"{len(twice)} records committed twice: {twice[:3]}"
