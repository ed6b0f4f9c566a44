"""A bucket in a directory, and producers that are closed at the end of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snapshotter.store import ObjectStore
from tests.restorer.accelerators import Producer
from tests.restorer.published import directory_store

Produce = Callable[..., Producer]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return directory_store(tmp_path / "bucket")


@pytest.fixture
def produce(store: ObjectStore, tmp_path: Path) -> Iterator[Produce]:
    """`produce(engine)` makes a producer with 500 rows of seed 1 in the test's bucket."""
    made: list[Producer] = []

    def make(engine: Any = "sqlite", rows: int = 500, **changes: Any) -> Producer:
        fields = {"store": store, "path": tmp_path / f"source-{len(made)}", **changes}
        made.append(Producer(engine=engine, **fields))
        if rows:
            made[-1].put(0, rows, seed=1)
        return made[-1]

    yield make
    for producer in made:
        producer.close()
