"""Snowmelt's capture: a file that holds the table follows the stream to its last record.

It resumes from a checkpoint as a node does, through its own client, loop, decoder and accelerator;
folding and the engine's checkpoints go on meanwhile. A batch's time is that from one commit to the
next, whatever happened between them.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import structlog

from benchmarks.kit.child import measured
from benchmarks.kit.copies import copied
from benchmarks.sides.capture_tables import content
from benchmarks.workload import entries
from benchmarks.workload.content import DATASET
from benchmarks.workload.pages import KEYS, RECORDS_PER_PAGE, SHARDS, last_sequence, shard_id
from benchmarks.workload.states import checkpoint
from cdc.accelerator import Accelerator
from cdc.aws import AwsParams
from cdc.batch import Batch, empty_batch
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import Checkpoint
from cdc.dynamodb import DynamoDbSource
from cdc.engines import fold_log, open_accelerator
from cdc.position import After


def fill(params: dict[str, Any]) -> dict[str, Any]:
    """Make the file as a bootstrap leaves it: scanned, sorted, its log folded in."""
    engine, path = params["engine"], Path(params["path"])
    accelerator = open_accelerator(engine, path, DATASET, keys=KEYS, create=True)
    ended = checkpoint(time.time())
    scanning = replace(ended, scan=replace(ended.scan, ended_at=None))
    for batch in entries.all_rows(params["rows"]):
        accelerator.append_scan(batch, scanning)
    accelerator.apply(empty_batch(accelerator.columns()), ended)
    while (told := accelerator.maintain(idle=True)).is_pending or told.wal_bytes:
        pass
    accelerator.close()
    fold_log(engine, path)
    return {}


def run(params: dict[str, Any]) -> dict[str, Any]:
    """Capture from the stream on loopback, to the commit of its last record."""
    engine, pages = params["engine"], params["pages"]
    last = {shard_id(shard): After(last_sequence(pages, shard)) for shard in range(SHARDS)}
    wanted = {name: position for name, position in last.items() if position.sequence}
    stop, commits = threading.Event(), [0.0]

    def on_commit(committed: Checkpoint) -> None:
        commits.append(time.perf_counter())
        positions = {name: shard.position for name, shard in committed.shards.items()}
        if all(positions.get(name) == position for name, position in wanted.items()):
            stop.set()

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = copied(params["path"], Path(directory))
        accelerator = Noted(open_accelerator(engine, path, DATASET))
        source = source_of(params["endpoint"])
        source.describe()  # botocore is loaded before the clock starts, on every side
        capture = Capture(
            source,
            accelerator,
            settings=CaptureSettings(shard_calls_per_second=10_000.0),
            generation=1,
            stop=stop,
            on_commit=on_commit,
        )
        with measured() as span:
            commits[0] = time.perf_counter()
            capture.run()
        accelerator.close()
        digest, misfits = content(engine, path)
    intervals = [after - before for before, after in pairwise(commits)]
    return {
        "content": [digest, misfits],
        **span.rates(pages * RECORDS_PER_PAGE),
        "batches": intervals,
        "applies": accelerator.seconds,
        "distinct": accelerator.rows / accelerator.records,
    }


class Noted:
    """An accelerator whose applies are timed and counted."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.seconds: list[float] = []
        self.records = self.rows = 0

    def apply(self, batch: Batch, committed: Checkpoint) -> None:
        began = time.perf_counter()
        self._accelerator.apply(batch, committed)
        self.seconds.append(time.perf_counter() - began)
        self.records += batch.records
        self.rows += batch.rows.num_rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._accelerator, name)


def source_of(endpoint: str) -> DynamoDbSource:
    """The stream on loopback, as a node reads it."""
    params = AwsParams(
        region="us-east-1",
        auth="key",
        access_key_id="benchmark",
        secret_access_key="benchmark",  # noqa: S106 - the stream on loopback checks none
        endpoint_url=endpoint,
    )
    return DynamoDbSource(DATASET, params)
