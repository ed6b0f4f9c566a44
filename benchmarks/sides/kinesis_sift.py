"""Answers of a Kinesis stream to exact rows, on one core, in CPU time: parsed, sifted, decoded.

Batches are as large as those of a capture that is behind. Each is committed before the next, so
that stamps are looked up as they are in a file, but a commit is not measured.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.kit.child import measured
from benchmarks.workload import entries, states
from benchmarks.workload.envelopes import BEGAN_US, TABLE
from cdc.accelerator import Accelerator
from cdc.batch import Batch
from cdc.checkpoint import Checkpoint
from cdc.decode import Decoder, ShardRecords
from cdc.engines import open_accelerator
from cdc.kinesis_records import parse_changes
from cdc.ordering_ties import ItemLookup, Ties
from cdc.polling import ThreadWorkers
from cdc.rebuild import canonical_item, rebuild
from cdc.records import StreamRecord
from cdc.sifting import Sifter
from cdc.source import RawPage
from cdc.troubles import Troubles

_BATCH_PAGES = 20
_SKIP_SLACK_SECONDS = 300.0


def run(params: dict[str, Any]) -> dict[str, Any]:
    """CPU microseconds a record by step, medians of the batches, and whether the rows are right.

    The first batch is not counted: in it the decoder learns what there is to learn of the table.
    """
    bodies = [Path(file).read_bytes() for file in params["files"]]
    size = min(_BATCH_PAGES, len(bodies) // 2)
    path = Path(params["scratch"]) / f"kinesis.{params['engine']}"
    accelerator = open_accelerator(params["engine"], path, TABLE, keys=entries.KEYS, create=True)
    sifting = _Sifting(accelerator)
    with measured() as span:
        batches = [
            sifting.batch(bodies[first : first + size]) for first in range(0, len(bodies), size)
        ]
    sifting.close()
    counted = batches[1:]
    return {
        "parse_us": statistics.median(each.parse_us for each in counted),
        "sift_us": statistics.median(each.sift_us for each in counted),
        "decode_us": statistics.median(each.decode_us for each in counted),
        "records": sum(each.records for each in counted),
        "batch_records": max(each.records for each in counted),
        "duplicates": sifting.sifter.dropped.duplicates,
        "peak_rss_mib": span.peak_rss_mib,
        "is_exact": batches[0].is_exact,
    }


@dataclass(frozen=True, slots=True)
class _Taken:
    """CPU time of one batch, in microseconds a record."""

    records: int
    parse_us: float
    sift_us: float
    decode_us: float
    is_exact: bool


class _Unread:
    """The table, which nothing asks for: no two changes were made at the same time."""

    def get_item(self, key: str) -> RawPage:
        raise AssertionError(key)


class _Sifting:
    """All that stands between a page and a commit, with the file that is committed to."""

    def __init__(self, accelerator: Accelerator) -> None:
        workers = ThreadWorkers(1, 1)
        lookup = ItemLookup(
            _Unread(), now=time.time, workers=workers, troubles=Troubles(), stop=threading.Event()
        )
        self.sifter = Sifter(
            accelerator,
            Ties(accelerator, lookup, frozenset()),
            skip_slack_seconds=_SKIP_SLACK_SECONDS,
            quotes=True,
        )
        self._accelerator = accelerator
        self._decoder = Decoder(entries.KEYS)
        self._workers = workers
        self._checkpoint: Checkpoint = states.checkpoint(BEGAN_US / 1_000_000)

    def close(self) -> None:
        self.sifter.close()
        self._decoder.close()
        self._workers.close()
        self._accelerator.close()

    def batch(self, bodies: Sequence[bytes]) -> _Taken:
        began = time.process_time()
        pages = [
            ShardRecords(f"shardId-{number % 8:012d}", parse_changes(TABLE, body).records)
            for number, body in enumerate(bodies)
        ]
        parsed = time.process_time()
        sifted = self.sifter.sift(pages, self._checkpoint)
        known = time.process_time()
        batch = self._decoder.changes(sifted.pages, entries.COLUMNS)
        decoded = time.process_time()
        is_first = self._checkpoint.version == 1
        self._checkpoint = self._checkpoint.next()
        self._accelerator.apply(replace(batch, stamps=sifted.stamps), self._checkpoint)
        return _Taken(
            sifted.read,
            (parsed - began) * 1e6 / sifted.read,
            (known - parsed) * 1e6 / sifted.read,
            (decoded - known) * 1e6 / sifted.read,
            is_first and _is_exact(pages, batch),
        )


def _is_exact(pages: Sequence[ShardRecords], batch: Batch) -> bool:
    """True if the rows are the newest items by time, each attribute as it was."""
    newest: dict[bytes, StreamRecord] = {}
    for record in sorted((each for page in pages for each in page.records), key=_made_us):
        newest[entries.KEYS.identity(json.loads(bytes(record.keys)))] = record
    rows = zip(*batch.rows.to_pydict().values(), strict=True)
    found = {
        identity: None if is_dead else canonical_item(rebuild(batch.columns, cells, rest))
        for identity, is_dead, *cells, rest in rows
    }
    return found == {identity: _item(record) for identity, record in newest.items()}


def _made_us(record: StreamRecord) -> int:
    assert record.stamp is not None
    return record.stamp.first_us


def _item(record: StreamRecord) -> Any:
    return None if record.image is None else canonical_item(json.loads(bytes(record.image)))
