"""A deleted item leaves the bucket within the bound that docs/operating.md states.

Looked at is every object that is there, also what no snapshot refers to: dead frames of packs that
live, older maps, pages of the catalog.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from cdc import duckdb_file
from cdc.accelerator import Engine
from snapshotter.format import PACK_LIMIT
from snapshotter.prune import Pruner
from snapshotter.retention import Retention
from snowmelt.clockwork import Clockwork
from snowmelt.fullness import Fullness
from tests.restorer.accelerators import DATASET, Producer, Row, batch_of, rows_of
from tests.snapshotter.erasure import holding
from tests.snapshotter.timed import HOUR, TimedStore

FULL_EVERY, KEEP_FOR, GRACE = 6 * HOUR, 4 * HOUR, 2 * HOUR
# A prune condemns, the next one deletes; a snapshot and a prune each half hour.
STEP = HOUR / 2
BOUND = FULL_EVERY + max(KEEP_FOR, FULL_EVERY) + GRACE + 3 * STEP
ROWS = 3000
# Longer than the eight bytes that DuckDB keeps of the least and the largest text of a column.
KEYS_OF_THEM = "needle#000"
NEEDLES = [(f"needle#{n:07d}", n, f"what-nobody-may-know-{n:04d}" * 30) for n in range(60)]


class Timed(Clockwork):
    """Time that the store's clock is."""

    def __init__(self, store: TimedStore) -> None:
        self._store = store

    def monotonic(self) -> float:
        return self._store.clock


class Node:
    """What a node does with its file and its bucket each half hour."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.store = TimedStore()
        self.producer = Producer(self.store, folder / "file", engine)
        self.file = self.producer.accelerator
        publisher = self.producer.publisher
        publisher._full_every = FULL_EVERY
        self._fullness = Fullness(publisher, FULL_EVERY, Timed(self.store))
        keeps = Retention(keep_for=KEEP_FOR)
        self._pruner = Pruner(self.store, DATASET, keeps, grace=GRACE)
        self._chance = random.Random(1)
        self.full = 0

    def put(self, rows: list[Row]) -> None:
        for first in range(0, len(rows), 500):
            some = rows[first : first + 500]
            self.file.apply(batch_of(some), self.producer.checkpoint())

    def delete(self, rows: list[Row]) -> None:
        table = batch_of(rows).rows
        dead = table.set_column(1, "_dead", pa.array([True] * len(rows)))
        batch = batch_of(rows)
        self.file.apply(replace(batch, rows=dead), self.producer.checkpoint())

    def live(self, seconds: float) -> None:
        for number in range(round(seconds / STEP)):
            self.put(rows_of(self._chance.randrange(ROWS), 20, number))
            wanted = self._fullness.wanted(self.file)
            while self.file.maintain(idle=True).is_pending:
                pass
            with self.file.freeze() as image:
                report = self.producer.publisher.publish(image, reason="test", full=wanted)
            self.full += report.full
            self._pruner.record(sweeps=False)
            self._pruner.sweep()
            self.store.clock += STEP

    def objects(self) -> Iterator[tuple[str, bytes]]:
        for info in list(self.store.list(f"{DATASET}/")):
            yield info.key, self.store.get(info.key, max_bytes=PACK_LIMIT).data


@pytest.fixture(params=["duckdb", "sqlite"])
def node(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Node]:
    # What the engine compresses cannot be searched for a text.
    monkeypatch.setitem(duckdb_file._SETTINGS, "force_compression", "uncompressed")
    made = Node(tmp_path, request.param)
    rows = [*rows_of(0, ROWS, 0), *NEEDLES]
    random.Random(2).shuffle(rows)
    made.put(rows)
    yield made
    made.producer.close()


def test_deleted_items_are_in_no_object_once_retention_and_grace_are_over(node: Node) -> None:
    node.live(2 * HOUR)
    assert holding(node.objects(), KEYS_OF_THEM)
    assert holding(node.objects(), "what-nobody-may-know")

    node.delete(NEEDLES)
    node.live(BOUND)

    assert holding(node.objects(), KEYS_OF_THEM) == []
    assert holding(node.objects(), "what-nobody-may-know") == []
    assert node.full >= 3


def test_snapshots_go_on_while_the_file_is_cleaned_and_not_without_end(node: Node) -> None:
    node.live(STEP)
    cleaning: Callable[[], None] = node.file.cleaning.forget
    node.store.clock += FULL_EVERY
    asked = [node._fullness.wanted(node.file)]
    node.store.clock += FULL_EVERY
    asked.append(node._fullness.wanted(node.file))
    cleaning()

    assert asked == ([False, None] if node.file.engine == "duckdb" else [None, None])
