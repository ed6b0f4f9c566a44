"""A directory as a bucket, a publisher on it, and the reference reader to see what came of it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cdc.checkpoint import Checkpoint
from snapshotter.file_store import FileStore
from snapshotter.format import Header, Pointer
from snapshotter.location import parse_location
from snapshotter.publish import Publisher
from snapshotter.publish_report import PublishReport
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from tests.snapshotter.images import BytesPart, checkpoint, image

DATASET = "flights"


def _reference_reader() -> ModuleType:
    path = Path(__file__).parents[2] / "docs" / "reference_reader.py"
    spec = importlib.util.spec_from_file_location("reference_reader", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference_reader = _reference_reader()


def file_store(directory: Path) -> ObjectStore:
    directory.mkdir(parents=True, exist_ok=True)
    return FileStore(parse_location(f"file://{directory}"))


@dataclass
class Bucket:
    """A dataset in a directory."""

    directory: Path
    store: ObjectStore

    @staticmethod
    def at(directory: Path) -> Bucket:
        return Bucket(directory, file_store(directory))

    def publisher(self, holder: str = "a", **settings: Any) -> Publisher:
        """A publisher that has taken over."""
        publisher = Publisher(settings.pop("store", self.store), DATASET, holder=holder, **settings)
        publisher.take_over()
        return publisher

    def checkpoint(self, version: int = 1, **changes: Any) -> Checkpoint:
        return checkpoint(self.store.now(), version, **changes)

    def publish(
        self,
        publisher: Publisher,
        main: bytes | BytesPart,
        version: int = 1,
        *,
        tail: bytes | None = None,
        row_count: int = 3,
        **settings: Any,
    ) -> PublishReport:
        frozen = image(main, self.checkpoint(version), tail=tail, row_count=row_count)
        return publisher.publish(frozen, reason="test", **settings)

    def pointer(self) -> Pointer:
        return read_pointer(self.store, DATASET)

    def header(self, snapshot_id: str | None = None) -> Header:
        pointer = self.pointer()
        entry = pointer.entry(snapshot_id or pointer.current or "")
        assert entry is not None
        return read_header(self.store, entry)

    def restore(self, target: Path, snapshot_id: str | None = None) -> bytes:
        """The main file as the reference reader restores it."""
        reference_reader.restore(self.directory, DATASET, target, snapshot_id)
        return target.read_bytes()

    def objects(self) -> set[str]:
        return {info.key for info in self.store.list(f"{DATASET}/")}

    def file(self, key: str) -> Path:
        return self.directory / key
