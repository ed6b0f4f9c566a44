"""What readers get while Snowmelt follows 10,000 records a second, with the shipped settings.

A page is written when its last record is, and queryable when the commit of it returned. Keys are
looked up meanwhile by another process, through the query socket of a node. Afterwards the same
aggregate runs over the view and over base alone, in plain DuckDB on the closed file.
"""

from __future__ import annotations

import json
import logging
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import structlog

from benchmarks.kit.child import measured
from benchmarks.sides.capture_snowmelt import source_of
from benchmarks.workload import canned
from benchmarks.workload.content import DATASET
from benchmarks.workload.pages import RECORDS_PER_PAGE, SHARDS, shard_id
from cdc.accelerator import Accelerator, QueryLimits
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import Checkpoint
from cdc.engines import open_accelerator
from cdc.position import After
from snowmelt.http import query_app
from snowmelt.listeners import Listener
from snowmelt.status import DatasetStatus

_RECORDS_PER_SECOND = 10_000
_AGGREGATE = "SELECT state, count(*), sum(revision), avg(weight) FROM {} GROUP BY state"
_REPEATS = 9


@dataclass
class _Served:
    """A dataset as the query socket knows it."""

    name: str
    accelerator: Accelerator

    def status(self) -> DatasetStatus:
        return DatasetStatus(
            self.name, "", self.accelerator.engine, "", "central", "ready", ready=True, stale=False
        )


def run(params: dict[str, Any]) -> dict[str, Any]:
    """Follow the paced stream to its end."""
    engine, pages = params["engine"], params["pages"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    stop, committed_at = threading.Event(), [0.0] * pages

    def on_commit(committed: Checkpoint) -> None:
        now = time.time()
        for shard in range(SHARDS):
            position = committed.shards[shard_id(shard)].position
            assert isinstance(position, After)
            for page in range(shard, _pages_of(position), SHARDS):
                committed_at[page] = committed_at[page] or now
        if all(committed_at):
            stop.set()

    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(shutil.copy(params["path"], directory))
        accelerator = open_accelerator(engine, path, DATASET)
        address = f"unix://{directory}/query.sock"
        served: Any = _Served(DATASET, accelerator)
        listener = Listener(query_app([served], QueryLimits()), address, "query")
        listener.start()
        source = source_of(params["endpoint"])
        source.describe()
        capture = Capture(
            source,
            accelerator,
            settings=CaptureSettings(),
            generation=1,
            stop=stop,
            on_commit=on_commit,
        )
        rate = _RECORDS_PER_SECOND / RECORDS_PER_PAGE
        began_at = canned.pace(params["endpoint"], rate)
        command = [sys.executable, "-m", "benchmarks.workload.lookups", f"{directory}/query.sock"]
        command += [str(params["rows"]), str(pages / rate)]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lookups,
            measured() as span,
        ):
            capture.run()
            assert lookups.stdout is not None
            looked_up = json.loads(lookups.stdout.read())
        listener.stop()
        accelerator.close()
        ratio = _aggregates(path) if engine == "duckdb" else None
    return {
        "lags": [at - (began_at + (page + 1) / rate) for page, at in enumerate(committed_at)],
        "lookups": looked_up,
        "aggregate_ratio": ratio,
        "peak_rss_mib": span.peak_rss_mib,
    }


def _pages_of(position: After) -> int:
    """Pages, of all shards, up to the one that ends with this record."""
    return max(0, (int(position.sequence) - 10**20 + 1) // RECORDS_PER_PAGE)


def _aggregates(path: Path) -> float:
    """How many times longer the aggregate takes over the view than over base alone."""
    with duckdb.connect(str(path), read_only=True) as connection:
        seconds: dict[str, list[float]] = {DATASET: [], "_snowmelt.base": []}
        for _ in range(_REPEATS):
            for source, taken in seconds.items():
                began = time.perf_counter()
                connection.execute(_AGGREGATE.format(source)).fetchall()
                taken.append(time.perf_counter() - began)
    view, base = (statistics.median(taken) for taken in seconds.values())
    return view / base
