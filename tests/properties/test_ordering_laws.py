"""A stream without order ends with the table, however its changes come, in both engines.

A table is written while a stream delivers its changes: twice, late by some places, in two units of
time, many at the same instant. What is committed in the end has to be the table. Each example has
items of its own in one file, because making a file takes longer than the example.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
_examples = count()


@dataclass
class Table:
    """The table as it is at each moment, for consistent reads; `lag_us`: how slow a read is."""

    changes: Changes
    lag_us: int = 0
    reads: int = 0
    behind: list[Change] = field(default_factory=list)

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

    def get_item(self, key: str) -> RawPage:
        assert self.table is not None
        return self.table.get_item(key)

    def __post_init__(self) -> None:
        workers, stop = ThreadWorkers(1, 1), threading.Event()
        troubles = Troubles()
        now = lambda: float(BEGAN)  # noqa: E731
        lookup = ItemLookup(self, now=now, workers=workers, troubles=troubles, stop=stop)
        ties = Ties(self.accelerator, lookup, frozenset())
        self.sifter = Sifter(self.accelerator, ties, skip_slack_seconds=300)
        lineage = Lineage("routes", "t", "s", "e")
        scan = ScanProgress(BEGAN, (), ended_at=BEGAN)
        self.committer = Committer(
            self.accelerator,
            Checkpoint(lineage, 0, 1, scan),
            rules=ColumnRules(),
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
def opened(engine: Engine) -> Iterator[File]:
    with tempfile.TemporaryDirectory(prefix="ordering-") as home:
        path = Path(home) / f"file.{engine}"
        accelerator = open_accelerator(engine, path, "routes", keys=KEYS, create=True)
        file = File(accelerator)
        yield file
        file.committer.close()
        accelerator.close()


@pytest.fixture(scope="module", params=["duckdb", "sqlite"])
def file(request: pytest.FixtureRequest) -> Iterator[File]:
    with opened(request.param) as made:
        yield made


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


STEPS_US = (0, 0, 0, 1, 300, 1_000, 5_000, 3_000_000)


@dataclass(frozen=True)
class Disorder:
    """How a history is written and delivered."""

    window: int
    repeated: float
    new_ids: bool
    in_ms: float
    lag_us: int
    ahead: int


disorders = st.builds(
    Disorder,
    window=st.sampled_from([0, 2, 5, 12]),
    repeated=st.sampled_from([0.0, 0.3]),
    new_ids=st.booleans(),
    in_ms=st.sampled_from([0.0, 0.5, 1.0]),
    lag_us=st.sampled_from([0, 2_500_000]),
    ahead=st.sampled_from([0, 3]),
)
writes = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([None, 1, 2, 3]), st.sampled_from(STEPS_US)),
    min_size=1,
    max_size=14,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=writes, disorder=disorders, seed=st.integers(0, 2**32))
def test_any_delivery_of_changes_ends_with_the_table(
    file: File, writes: list[tuple[int, int | None, int]], disorder: Disorder, seed: int
) -> None:
    random = Random(seed)
    changes = Changes("routes", now_us=BEGAN * 1_000_000, step_us=0, seed=seed)
    file.table = Table(changes, disorder.lag_us)
    example = next(_examples)

    def write(number: int, value: int | None, step_us: int) -> None:
        changes.now_us += step_us
        key = {"id": {"S": f"{example}-{number}"}}
        if value is None:
            changes.delete(key)
        else:
            changes.put({**key, "v": {"N": str(value)}})

    pending = list(writes)
    waiting: list[tuple[float, Change, str | None]] = []
    taken = 0
    while pending or waiting or taken < len(changes.log):
        for _ in range(1 + random.randrange(1 + disorder.ahead) if pending else 0):
            if pending:
                write(*pending.pop(0))
        for place, change in enumerate(changes.log[taken:], taken):
            waiting.append((place + random.random() * disorder.window, change, None))
            if random.random() < disorder.repeated:
                event = f"again-{place}" if disorder.new_ids else None
                waiting.append((place + random.random() * 2 * disorder.window, change, event))
        taken = len(changes.log)
        waiting.sort(key=lambda each: each[0])
        size = random.randrange(1, 4) if pending else len(waiting)
        batch, waiting = waiting[:size], waiting[size:]
        while batch:
            some, batch = batch[:3], batch[3:]
            file.commit(
                *(
                    record(change, in_ms=random.random() < disorder.in_ms, event=event)
                    for _, change, event in some
                )
            )
    expected = {item["id"]["S"]: item for item in changes.items()}
    for number in (0, 1):
        key = f"{example}-{number}"
        assert file.item(key) == expected.get(key), (key, changes.log)
