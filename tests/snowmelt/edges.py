"""A node that follows snapshots, in this process and one look at a time, and whom it follows.

The centre is a file with rows and a publisher, without a table. Its row "mark" has the version of
each commit as its amount, so that any answer says of which version it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cdc.accelerator import QueryLimits
from snapshotter.catalog_change import change_catalog
from snapshotter.format import Pointer
from snapshotter.store import ObjectStore
from snowmelt.clockwork import Clockwork
from snowmelt.config_file import parse
from snowmelt.edge import EdgeRuntime
from snowmelt.status import DatasetStatus
from snowmelt.wiring import DatasetPlan, wire
from tests.restorer.accelerators import DATASET, Producer, batch_of, rows_of
from tests.snapshotter.faults import FaultyStore

PATIENCE_SECONDS = 60.0
LIMITS = QueryLimits(seconds=PATIENCE_SECONDS)  # of a busy machine five are few


@dataclass
class Centre(Producer):
    """`rows`: what each version holds, as the engine should give it."""

    rows: dict[int, dict[str, int]] = field(default_factory=dict)
    _now: dict[str, int] = field(default_factory=dict)

    def change(self, first: int = 0, count: int = 5) -> int:
        """Commit new values of so many rows; returns the version."""
        at = self.checkpoint()
        rows = rows_of(first, count, seed=at.version)
        self.accelerator.apply(batch_of([*rows, ("mark", at.version, "")]), at)
        self._now |= {row[0]: row[1] for row in rows} | {"mark": at.version}
        self.rows[at.version] = dict(self._now)
        return at.version

    def publish_change(self, first: int = 0, count: int = 5) -> str:
        """Commit, and snapshot that; returns its id."""
        self.change(first, count)
        return self.publish()

    def mark(self, change: Callable[[Pointer], Pointer]) -> None:
        """What a person says of the catalog."""
        change_catalog(self.store, DATASET, change)


class Steps(Clockwork):
    """Rests until the test lets it go on, and notes for how long it would have rested."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._rests = threading.Event()
        self._goes_on = threading.Event()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.pauses.append(seconds)
        self._rests.set()
        while not (event.is_set() or self._goes_on.wait(0.005)):
            pass
        self._goes_on.clear()
        return event.is_set()

    def until_it_rests(self) -> None:
        assert self._rests.wait(PATIENCE_SECONDS), "it does not come to rest"

    def go_on(self) -> None:
        self._rests.clear()
        self._goes_on.set()


class Edge:
    """One disk, and the life that follows there. `store`: what the node asks, counted."""

    def __init__(
        self, home: Path, store: ObjectStore, engine: str = "sqlite", **acceleration: Any
    ) -> None:
        self.store = FaultyStore(store)
        self.path = home / "edge" / "live.db"
        self.document = {
            "version": "v1",
            "snapshots": {"location": store.url},
            "datasets": [
                {
                    "from": f"snapshot:{DATASET}",
                    "name": DATASET,
                    "acceleration": {"engine": engine, "path": str(self.path), **acceleration},
                }
            ],
        }
        self.steps = Steps()
        self.runtime = EdgeRuntime(self.plan(), self.steps)

    def plan(self) -> DatasetPlan:
        config = parse(yaml.safe_dump(self.document), {}, "edge.yaml").config
        plan = wire(config, config.datasets[0])
        vars(plan).update(store=self.store)
        return plan

    def start(self) -> Edge:
        """Open what is there, and look once."""
        self.steps = Steps()
        self.runtime = EdgeRuntime(self.plan(), self.steps)
        self.runtime.start()
        self.steps.until_it_rests()
        return self

    def look(self) -> Edge:
        """Look once more."""
        self.steps.go_on()
        self.steps.until_it_rests()
        return self

    def stop(self) -> Edge:
        assert self.runtime.stop(PATIENCE_SECONDS)
        return self

    def status(self) -> DatasetStatus:
        return self.runtime.status()

    @property
    def follow(self) -> dict[str, Any]:
        return dict(self.status().follow or {})

    def asked(self) -> list[tuple[str, str]]:
        """What the store was asked since the last time."""
        calls, self.store.calls = self.store.calls, []
        return calls

    def rows(self) -> dict[str, int]:
        """What it answers with, in one query."""
        answering = self.runtime.accelerator
        assert answering is not None, self.status().not_ready_because
        result = answering.query(f"SELECT id, amount FROM {DATASET}", LIMITS)
        return dict(result.rows)
