"""A change goes all of the way: table, central node, snapshot, edge, and back out of the bucket.

    canary into the table · seen at the node beside us · in a snapshot that is restored and read

Whatever happens, the canary is taken back. A snapshot is tried if it became the current one after
the canary was written; one that says of itself that it must have it, and has not, is a fault.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from cdc.canary import Canary
from cdc.engines import open_accelerator
from restorer.drill import DrillReport, begin, finish
from restorer.scratch import scratch_folder
from snapshotter.catalog import by_id
from snapshotter.errors import Corrupt, ObjectMissing
from snapshotter.reader import read_catalog, read_pointer
from snowmelt import client
from snowmelt.durations import format_duration
from snowmelt.errors import NodeUnreachable, UsageError, WaitTimedOut
from snowmelt.keys import typed_key

if TYPE_CHECKING:
    from cdc.accelerator import Engine
    from snapshotter.format import CatalogEntry
    from snapshotter.store import ObjectStore
    from snowmelt.stopping import Stop
    from snowmelt.wiring import DatasetPlan

_POLL_SECONDS = 0.5
# Times of records are whole seconds, and the table's clock is not the publisher's.
_ROUNDING_SECONDS = 5.0


class Interrupted(Exception):
    """A signal came; the canary was taken back."""


@dataclass(frozen=True, slots=True)
class SelftestReport:
    """Seconds since the canary was written; `edge_seconds` is None where no node was asked."""

    snapshot_id: str
    edge_seconds: float | None
    snapshot_seconds: float
    restore_seconds: float
    total_seconds: float
    rows: int

    @property
    def line(self) -> str:
        """All of it."""
        edge = "" if self.edge_seconds is None else f"at the edge after {self.edge_seconds:.1f} s, "
        return (
            f"selftest: ok in {self.total_seconds:.1f} s: canary {edge}in snapshot "
            f"{self.snapshot_id} after {self.snapshot_seconds:.1f} s, restored and read in "
            f"{self.restore_seconds:.1f} s ({self.rows:,} items)"
        )


@dataclass(frozen=True, slots=True)
class Selftest:
    """`node`: the query address of the node beside us, None for no node. `say`: where it stands."""

    plan: DatasetPlan
    node: str | None
    patience_seconds: float
    stop: Stop
    say: Callable[[str], None]
    scratch: Path | None = None

    def run(self) -> SelftestReport:
        """Raises WaitTimedOut, Corrupt, Interrupted, and what table, store and file raise."""
        store = self.plan.store
        if store is None or self.plan.section.source.startswith("snapshot:"):
            raise UsageError(
                f"dataset {self.plan.name}: a selftest needs the table and the bucket",
                hint="write from: dynamodb:TABLE, and set snapshots.location",
            )
        before = _current(store, self.plan.name)
        canary = Canary(self.plan.section.table, self.plan.aws)
        canary.write()
        begun, written_at = time.monotonic(), canary.now()
        self.say(f"canary {' '.join(canary.words)} is in table {self.plan.section.table}")
        try:
            edge_seconds = None if self.node is None else self._seen_at(self.node, canary, begun)
            entry, seconds, drill = self._restored(store, before, canary, begun, written_at)
        finally:
            canary.remove()
        self.say("canary taken back")
        return SelftestReport(
            snapshot_id=entry.snapshot_id,
            edge_seconds=edge_seconds,
            snapshot_seconds=seconds,
            restore_seconds=sum(drill.seconds.values()),
            total_seconds=time.monotonic() - begun,
            rows=drill.rows,
        )

    def _seen_at(self, node: str, canary: Canary, begun: float) -> float:
        target = f"/v1/datasets/{quote(self.plan.name)}/item"
        why = "it does not have it"
        while True:
            try:
                answer = client.call(node, "POST", target, json.dumps(canary.words).encode())
                if answer["item"] is not None:
                    self.say("canary is at the edge")
                    return time.monotonic() - begun
            except (NodeUnreachable, client.Answered) as error:  # it may be starting, or loading
                why = str(error)
            self._wait(begun, f"the canary is not at the node {node}: {why}")

    def _restored(
        self,
        store: ObjectStore,
        before: CatalogEntry | None,
        canary: Canary,
        begun: float,
        written_at: float,
    ) -> tuple[CatalogEntry, float, DrillReport]:
        tried = {before.snapshot_id} if before is not None else set()
        while True:
            entry = _current(store, self.plan.name)
            if entry is not None and entry.snapshot_id not in tried:
                seconds = time.monotonic() - begun
                drill, is_there = self._drilled(store, entry, canary)
                if is_there:
                    return entry, seconds, drill
                if (entry.watermark or 0.0) > written_at + _ROUNDING_SECONDS:
                    raise Corrupt(
                        f"snapshot {entry.snapshot_id} says that it has every change up to "
                        f"{entry.watermark:.0f}, and lacks the canary of {written_at:.0f}"
                    )
                tried.add(entry.snapshot_id)
            self._wait(begun, f"the canary is in no snapshot of {self.plan.name} in {store.url}")

    def _drilled(
        self, store: ObjectStore, entry: CatalogEntry, canary: Canary
    ) -> tuple[DrillReport, bool]:
        root = self.scratch or Path(tempfile.gettempdir())
        with scratch_folder(root, self.plan.name) as folder:
            target = folder / f"{self.plan.name}.{entry.engine}"
            drill = finish(begin(store, self.plan.name, entry, target))
            file = open_accelerator(cast("Engine", entry.engine), target, self.plan.name)
            try:
                return drill, file.read(typed_key(file.keys, canary.words)) is not None
            finally:
                file.close()

    def _wait(self, begun: float, otherwise: str) -> None:
        if self.stop.wait(_POLL_SECONDS):
            raise Interrupted
        if time.monotonic() - begun > self.patience_seconds:
            raise WaitTimedOut(f"{otherwise} after {format_duration(self.patience_seconds)}")


def _current(store: ObjectStore, dataset: str) -> CatalogEntry | None:
    try:
        pointer = read_pointer(store, dataset)
    except ObjectMissing:
        return None
    return None if pointer.current is None else by_id(read_catalog(store, pointer), pointer.current)
