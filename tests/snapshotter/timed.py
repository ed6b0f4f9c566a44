"""A bucket in memory whose time is set by the test, for what depends on grace and retention."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from snapshotter import reader, sealed
from snapshotter.catalog_change import whole
from snapshotter.format import Header
from snapshotter.location import StoreParams
from snapshotter.prune import Pruner
from snapshotter.publish import Publisher
from snapshotter.retention import Retention
from snapshotter.store import ObjectInfo
from snapshotter.stores import open_store
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import FaultyStore

HOUR = 3600.0
GRACE = 24 * HOUR
_numbers = itertools.count()


class TimedStore(FaultyStore):
    """Objects in memory; `clock` is the store's time, and each object knows when it was put."""

    def __init__(self) -> None:
        location = f"memory://timed-{next(_numbers)}"
        super().__init__(open_store(location, StoreParams()))
        self.clock = 1_800_000_000.0
        self._put_at: dict[str, float] = {}

    def now(self) -> float:
        return self.clock

    def _called(self, name: str, key: str) -> int:
        number = super()._called(name, key)
        if name.startswith("put"):
            self._put_at[key] = self.clock
        return number

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._called("list", prefix)
        for info in self._inner.list(prefix):
            yield replace(info, modified_at=self._put_at[info.key])
        self._after(0, "list", prefix)


class TimedBucket(Bucket):
    """A dataset in such a store."""

    def __init__(self) -> None:
        self.timed = TimedStore()
        super().__init__(Path("/nowhere"), self.timed)

    def pass_hours(self, hours: float) -> None:
        self.timed.clock += hours * HOUR

    def publisher(self, holder: str = "a", **settings: Any) -> Publisher:
        return super().publisher(holder, pack_bytes=4 * 512, **settings)

    def pruner(self, *, keep_last: int | None = None, keep_for: float | None = None) -> Pruner:
        return Pruner(self.timed, DATASET, Retention(keep_last, keep_for), grace=GRACE)

    def prune(self, **keeps: Any) -> None:
        self.pruner(**keeps).record(sweeps=True)

    def ids(self) -> list[str]:
        """Of the whole catalog, newest first."""
        return [entry.snapshot_id for entry in whole(self.timed, self.pointer()).catalog]

    def headers(self) -> list[Header]:
        """Of the whole catalog, newest first."""
        entries = whole(self.timed, self.pointer()).catalog
        return [reader.read_header(self.timed, entry) for entry in entries]

    def needed(self) -> set[str]:
        """Keys of all that the catalog leads to."""
        pointer = self.pointer()
        keys = {f"{DATASET}/head.json", f"{DATASET}/bucket.json"}
        older = pointer.older
        while older is not None:
            keys.add(older)
            page = self.timed.get(older, max_bytes=1 << 22)
            older = sealed.decode_page(page.data, DATASET, older)[1]
        for entry in whole(self.timed, pointer).catalog:
            header = reader.read_header(self.timed, entry)
            keys |= {entry.manifest, *filter(None, header.packs)}
            keys |= {segment.key for part in header.parts for segment in part.segments}
        return keys
