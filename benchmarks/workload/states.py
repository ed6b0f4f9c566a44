"""Checkpoints for files that no capture made: the scan has ended, the shards are at their tips."""

from __future__ import annotations

import pyarrow as pa

from benchmarks.workload.canned import STREAM_ARN
from benchmarks.workload.pages import SHARDS, shard_id
from cdc.batch import Batch, schema_of
from cdc.checkpoint import Checkpoint, Lineage, ScanProgress, SegmentProgress
from cdc.columns import Columns
from cdc.position import After
from cdc.shard_progress import ShardProgress


def checkpoint(now: float) -> Checkpoint:
    """The first checkpoint of a file whose scan has ended. `now`: epoch seconds."""
    lineage = Lineage("items", "benchmark", STREAM_ARN, "benchmark")
    names = [shard_id(shard) for shard in range(SHARDS)]
    shards = {name: ShardProgress(name, None, After("1"), now, now) for name in names}
    scan = ScanProgress(now, (SegmentProgress(done=True),), now)
    return Checkpoint(lineage, 1, 1, scan, shards, watermark=now, updated_at=now)


def empty_batch(columns: Columns) -> Batch:
    """A batch that commits the checkpoint alone."""
    rows: pa.Table = schema_of(columns).empty_table()
    return Batch(rows, columns)
