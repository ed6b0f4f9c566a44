"""The gates at which nodes die, and the bench at which they live: a table with its service."""

import random
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.nodes import MortalNode
from tests.e2e.nodes import Document
from tests.forking.client import Zygote
from tests.simulators.service import RealClock
from tests.simulators.stream import SimulatedTable

PATIENCE_SECONDS = 60.0
ITEMS = 400
SCAN_PAGE_ITEMS = 40
SEGMENTS = 2
_MARKERS = 8  # enough for one in each shard


@dataclass(frozen=True)
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
