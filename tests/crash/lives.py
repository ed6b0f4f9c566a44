"""Lives of a node that dies at a gate: what it goes through, and what must be true afterwards.

A life is a story told to a node, bootstrap, changes or restore. Told without a gate it says which
gates it passes; told with one, the node dies there, is started again, and the story goes on. Then
the file must equal the table, the audit must have every record once, and the service's and the
store's own records must show that the node resumed instead of beginning again.
"""

import random
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cdc.keys import Item
from cdc.rebuild import canonical_item
from snowmelt.errors import NodeError
from tests.crash.audit import Committed, committed
from tests.crash.nodes import MortalNode
from tests.e2e.nodes import Document, Key, differences
from tests.forking.client import Zygote
from tests.simulators.service import RealClock
from tests.simulators.stream import Served, SimulatedTable

PATIENCE_SECONDS = 60.0
ITEMS = 400
SCAN_PAGE_ITEMS = 40
SEGMENTS = 2
_MARKERS = 8  # enough for one in each shard
_WAIT_SECONDS = 0.02
_WRITES_BLOCKS = "restorer.fetch:_write.pwritev"


@dataclass
class Gate:
    """Where a process dies: a gate, and which passing of it."""

    at: str = ""
    countdown: int = 1

    def __str__(self) -> str:
        return f"{self.at} ({self.countdown})"


@dataclass
class Bench:
    """A table, where it is served, and what lives are told with."""

    engine: str
    zygote: Zygote
    folder: Path
    endpoint_url: str
    table: SimulatedTable
    clock: RealClock
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    rounds: int = 0

    def node(
        self,
        location: str,
        snapshots: str = "enabled",
        store: Document | None = None,
        params: Document | None = None,
        acceleration: Document | None = None,
    ) -> MortalNode:
        """A node with an empty disk; its query listener is a socket in its home, where a dead
        node left one. `store`: parameters of the location.
        """
        self.rounds += 1
        home = self.folder / f"{self.engine}-{self.rounds}"
        dataset: Document = {
            "from": f"dynamodb:{self.table.name}",
            "name": self.table.name,
            "params": {
                "dynamodb_aws_region": "eu-west-1",
                "dynamodb_aws_auth": "key",
                "dynamodb_aws_access_key_id": "nobody",
                "dynamodb_aws_secret_access_key": "nobody",
                "endpoint_url": self.endpoint_url,
                "dynamodb_stream_poll_interval": "50ms",
                "scan_segments": SEGMENTS,
                **(params or {}),
            },
            "acceleration": {
                "engine": self.engine,
                "snapshots": snapshots,
                "snapshots_trigger": "time_interval",
                "snapshots_trigger_threshold": "1h",
                **(acceleration or {}),
            },
        }
        document: Document = {
            "version": "v1",
            "snapshots": {"location": location, **({"params": store} if store else {})},
            "datasets": [dataset],
            "runtime": {"query": f"unix://{home}/query.sock"},
        }
        node = MortalNode(home, document, patience_seconds=PATIENCE_SECONDS, zygote=self.zygote)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(f"{home}/query.sock")
        return node

    def fill(self) -> None:
        for number in range(ITEMS):
            self.table.put(f"key-{number}", value=number, note=f"größer {number} 🏔")

    def write(self, changes: int) -> None:
        """Puts and deletes of known and new keys."""
        for _ in range(changes):
            key = f"key-{self.chance.randrange(ITEMS + 40)}"
            if self.chance.random() < 0.2:
                self.table.delete(key)
            else:
                self.table.put(key, value=self.chance.random(), **self._rarely())

    def mark(self) -> list[str]:
        """Write an item in every shard behind all that was written before; gives their keys."""
        keys = [f"marker-{number}" for number in range(_MARKERS)]
        for key in keys:
            self.table.put(key, value=self.chance.random())
        return keys

    def newest_sequence(self) -> int:
        """Of the stream so far."""
        with self.table.lock:
            records = [shard.records for shard in self.table.shards.values() if shard.records]
            return max((int(of_shard[-1].sequence) for of_shard in records), default=0)

    def _rarely(self) -> dict[str, Any]:
        # A new attribute now and then, and one that changes its type.
        if self.chance.random() < 0.02:
            return {f"attribute_{self.chance.randrange(10**6)}": "new"}
        return {"note": 1 if self.chance.random() < 0.1 else "text"}


class Told:
    """One life of a node: a story whose steps survive its death."""

    def __init__(self, bench: Bench, node: MortalNode, gate: Gate) -> None:
        self.bench = bench
        self.node = node
        self.deaths = 0
        self._gate = gate
        self._committed: set[Committed] = set()  # at its death
        self._revived_at = 0
        self._lines = len(list(node.passed()))
        self._newest = bench.newest_sequence()
        self._calls = len(bench.table.served)

    def begin(self) -> None:
        self.node.start(self._gate.at, self._gate.countdown)

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait, and start the node again if it died at its gate."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._revive()
            try:
                if holds():
                    return
            except (NodeError, OSError):
                pass  # not up yet, or just killed
            assert self.node.runs or self.node.is_dead, self.node.with_log(f"ended before: {what}")
            assert time.monotonic() < end, self.node.with_log(f"waited in vain: {what}")
            time.sleep(_WAIT_SECONDS)

    def until_ready(self) -> None:
        self.until("ready", self.node.is_ready)

    def until_marked(self) -> None:
        """Write markers, and wait until the node has them, and so all that came before."""
        wanted = {key: self.bench.table.items[key] for key in self.bench.mark()}
        for key, item in wanted.items():
            form = canonical_item(item)

            def has_it(key: str = key, form: Any = form) -> bool:
                found = self.node.get([key])
                return found is not None and canonical_item(found) == form

            self.until(f"item {key}", has_it)

    def snapshot(self) -> None:
        """Publish on request, again if the node died meanwhile."""

        def published() -> bool:
            self.node.create_snapshot()
            return True

        self.until("a snapshot", published)

    def end(self) -> None:
        """SIGTERM; a node that dies while it ends is started and ended once more."""
        self._revive()
        code = self.node.stop()
        if code == -9:
            self._revive()
            self.until_ready()
            code = self.node.stop()
        assert code == 0, self.node.with_log(f"ended with {code}")

    def finish(self) -> None:
        """Markers arrive, and the node ends with all that a life must leave."""
        self.until_marked()
        self.end_whole()

    def end_whole(self) -> None:
        """It ends; its file is the table, and holds every record once."""
        self.end()
        self.assert_equal()
        self.assert_audit()

    def _revive(self) -> None:
        if self.node.is_dead:
            self.deaths += 1
            assert self.deaths == 1, self.node.with_log("died without a gate")
            self._committed = set(self._committed_by_the_dead())
            self._revived_at = len(self.bench.table.served)
            self.node.start()

    def _committed_by_the_dead(self) -> dict[Committed, list[int]]:
        # In a copy, because opening a file recovers it, which is what the next process has to do.
        if not self.node.path.exists():
            return {}
        copy = self.node.home / "dead"
        shutil.copytree(self.node.path.parent, copy)
        found = committed(copy / self.node.path.name)
        shutil.rmtree(copy)
        return found

    # ------------------------------------------------------------ what it did

    def gates(self) -> list[str]:
        """What it passed in this life, in order."""
        return list(self.node.passed())[self._lines :]

    def calls(self, action: str, since: int | None = None) -> list[Served]:
        """What it asked the service, and was given."""
        mine = self.bench.table.served[self._calls if since is None else since :]
        return [call for call in mine if call.action == action and not call.code]

    # ------------------------------------------------------------ what must be true

    def assert_equal(self) -> None:
        items = self.bench.table.items.items()
        wanted: dict[Key, Item] = {(key,): canonical_item(item) for key, item in items}
        assert differences(wanted, self.node.items()) == "", self.node.with_log("differs")

    def assert_audit(self) -> None:
        """Every record that went out to this node was committed, and none twice.

        Nothing that was committed before its death was read again, so at most the batch under way.
        """
        found = committed(self.node.path)
        twice = [record for record, versions in found.items() if len(versions) > 1]
        assert not twice, f"{len(twice)} records committed twice: {twice[:3]}"
        # Of what is older than this life, a bootstrap leaves to the scan what the scan is sure of.
        sent = {(shard, one) for shard, one in self._sent(self._calls) if int(one) > self._newest}
        lost = sent - found.keys()
        assert not lost, f"{len(lost)} records lost: {sorted(lost)[:3]}"
        again = self._sent(self._revived_at) & self._committed
        assert not again, f"{len(again)} committed records read again: {sorted(again)[:3]}"

    def _sent(self, since: int) -> set[Committed]:
        return {
            (call.shard_id, sequence)
            for call in self.calls("GetRecords", since)
            for sequence in call.sequences
        }

    def assert_scanned_once(self) -> None:
        """At most one page of each segment was read again for a death, none behind the scan."""
        scans = self.calls("Scan")
        pages = Counter(
            (call.request["Segment"], str(call.request.get("ExclusiveStartKey"))) for call in scans
        )
        again = Counter(segment for (segment, _), times in pages.items() if times > 1)
        assert all(count <= self.deaths for count in again.values()), again
        ended = self.node.events("scan_ended")
        if ended:
            end = datetime.fromisoformat(ended[0]["ts"]).timestamp()
            assert max(call.at for call in scans) < end
        else:  # it died behind the commit that ended the scan, before it could say so
            assert self.deaths
            assert self.calls("Scan", self._revived_at) == []

    def assert_blocks_fetched_once(self) -> None:
        """No part of a pack was asked for twice, but for what was in flight at its death."""
        reads = [line.split() for line in self.gates() if line.startswith("read ")]
        asked = [
            (key, int(offset), int(size)) for _, key, offset, size in reads if "/packs/" in key
        ]
        in_flight = f"killed before {_WRITES_BLOCKS}" in self.gates()
        assert asked, "nothing was fetched"
        assert in_flight or len(asked) == len(set(asked)), asked
