"""A file with all that commits a stream without order to it, and a table that is read beside it."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cdc.accelerator import Accelerator, Engine
from cdc.capture_commit import Committer
from cdc.checkpoint import Checkpoint, Lineage, ScanProgress
from cdc.column_rules import ColumnRules
from cdc.decode import ShardRecords
from cdc.engines import open_accelerator
from cdc.keys import KeyAttribute, KeySchema
from cdc.ordering_ties import ItemLookup, Ties
from cdc.polling import ThreadWorkers
from cdc.records import Stamp, StreamRecord
from cdc.sifting import Sifter
from cdc.source import RawPage
from cdc.troubles import Troubles
from tests.simulators.change_documents import Change, Changes

BEGAN = 1_800_000_000
KEYS = KeySchema(KeyAttribute("id", "S"))


@dataclass
class Table:
    """The table as it is at each moment, for consistent reads; `lag_us`: how slow a read is."""

    changes: Changes
    lag_us: int = 0
    reads: int = 0

    def get_item(self, key: str) -> RawPage:
        wanted = json.loads(key)
        found = [item for item in self.changes.items() if item["id"] == wanted["id"]]
        self.reads += 1
        self.changes.now_us += self.lag_us
        body = {"Item": found[0]} if found else {}
        return RawPage(json.dumps(body).encode(), self.changes.now_us / 1_000_000)


@dataclass
class File:
    """A file with all that commits to it."""

    accelerator: Accelerator
    table: Table | None = None
    excluded: frozenset[str] = frozenset()

    def get_item(self, key: str) -> RawPage:
        assert self.table is not None
        return self.table.get_item(key)

    def __post_init__(self) -> None:
        workers, stop = ThreadWorkers(1, 1), threading.Event()
        troubles = Troubles()
        now = lambda: float(BEGAN)  # noqa: E731
        lookup = ItemLookup(self, now=now, workers=workers, troubles=troubles, stop=stop)
        ties = Ties(self.accelerator, lookup, self.excluded)
        self.sifter = Sifter(
            self.accelerator, ties, skip_slack_seconds=300, quotes=not self.excluded
        )
        lineage = Lineage("routes", "t", "s", "e")
        scan = ScanProgress(BEGAN, (), ended_at=BEGAN)
        self.committer = Committer(
            self.accelerator,
            Checkpoint(lineage, 0, 1, scan),
            rules=ColumnRules(excluded=self.excluded),
            generation=lambda: 0,
            now=now,
            workers=workers,
            troubles=troubles,
            stop=stop,
            on_commit=None,
            sifter=self.sifter,
        )

    def commit(self, *records: StreamRecord) -> None:
        assert self.committer.commit_stream([ShardRecords("shard", records)], {}, None)

    def item(self, key: str) -> Any:
        return self.accelerator.read({"id": {"S": key}})


@contextmanager
def opened(engine: Engine, excluded: frozenset[str] = frozenset()) -> Iterator[File]:
    with tempfile.TemporaryDirectory(prefix="ordering-") as home:
        path = Path(home) / f"file.{engine}"
        accelerator = open_accelerator(engine, path, "routes", keys=KEYS, create=True)
        file = File(accelerator, excluded=excluded)
        yield file
        file.committer.close()
        accelerator.close()


def record(change: Change, *, in_ms: bool = False, event: str | None = None) -> StreamRecord:
    first = change.at_us // 1000 * 1000 if in_ms else change.at_us
    last = first + 999 if in_ms else first
    old, new = (_raw(image) for image in (change.old, change.new))
    keys = msgspec.Raw(json.dumps(change.keys).encode())
    stamp = Stamp(event or change.event_id, first, last, old)
    name: Any = change.event_name
    return StreamRecord(name, "1", first / 1e6, keys, new, stamp=stamp)


def _raw(image: Any) -> msgspec.Raw | None:
    return None if image is None else msgspec.Raw(json.dumps(image).encode())
