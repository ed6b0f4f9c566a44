"""Snapshots of plain bytes in a real store, for tests of planning and fetching."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from restorer.plan import Plan, make_plan
from snapshotter.location import StoreParams
from snapshotter.publish import Publisher
from snapshotter.reader import read_header, read_pointer, read_segments
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store
from tests.snapshotter.images import BytesPart, checkpoint, image

DATASET = "flights"


def directory_store(directory: Path) -> ObjectStore:
    return open_store(f"file://{directory}", StoreParams())


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def mixed(blocks: int, block_size: int, seed: int = 1) -> bytes:
    """Every other block compresses well."""
    source = random.Random(seed)
    return b"".join(
        source.randbytes(block_size) if number % 2 else bytes([number % 251]) * block_size
        for number in range(blocks)
    )


@dataclass
class Bench:
    """A store with a publisher of byte images."""

    store: ObjectStore
    publisher: Publisher
    version: int = 0

    def publish(self, main: BytesPart, tail: bytes | None = None, *, full: bool = False) -> str:
        self.version += 1
        at = checkpoint(self.store.now(), self.version)
        frozen = image(main, at, tail=tail)
        return self.publisher.publish(frozen, reason="test", full=full).snapshot_id

    def plan(self, snapshot_id: str) -> Plan:
        entry = read_pointer(self.store, DATASET).entry(snapshot_id)
        assert entry is not None
        header = read_header(self.store, entry)
        segments = [read_segments(self.store, header, part) for part in header.parts]
        return make_plan(header, segments)


def bench(store: ObjectStore) -> Bench:
    publisher = Publisher(store, DATASET, holder="test")
    publisher.take_over()
    return Bench(store, publisher)
