"""What readers get while Snowmelt follows 10,000 records a second, with the shipped settings.

A page is written when its last record is, and queryable when the commit of it returned. Keys are
looked up meanwhile by another process, through the query socket of a node. Then the table is nearly
idle: a page comes each five seconds. Afterwards the same aggregate runs over the view and over base
alone, in plain DuckDB on the closed file.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import structlog

from benchmarks.kit.child import measured
from benchmarks.kit.copies import copied
from benchmarks.sides.capture_snowmelt import source_of
from benchmarks.workload import canned
from benchmarks.workload.content import DATASET
from benchmarks.workload.pages import RECORDS_PER_PAGE, SHARDS, next_page, shard_id
from cdc.accelerator import Accelerator, QueryLimits
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import Checkpoint
from cdc.engines import open_accelerator
from cdc.position import After
from snowmelt import turns
from snowmelt.http import query_app
from snowmelt.listeners import Listener
from snowmelt.status import DatasetStatus

_RECORDS_PER_SECOND = 10_000
_IDLE_PAGES, _IDLE_PAGES_PER_SECOND = 12, 0.2
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


class _Arrivals:
    """When each page was committed, those before `first` earlier; told of each commit.

    `stop` is set when all of them are.
    """

    def __init__(self, first: int, pages: int) -> None:
        self.stop = threading.Event()
        self.committed_at = [1.0] * first + [0.0] * (pages - first)

    def __call__(self, committed: Checkpoint) -> None:
        now = time.time()
        for shard in range(SHARDS):
            position = committed.shards[shard_id(shard)].position
            assert isinstance(position, After)
            for page in range(shard, next_page(shard, position.sequence), SHARDS):
                self.committed_at[page] = self.committed_at[page] or now
        if all(self.committed_at):
            self.stop.set()


def run(params: dict[str, Any]) -> dict[str, Any]:
    """Follow the paced stream to its end."""
    turns.shorten()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = copied(params["path"], Path(directory))
        accelerator = open_accelerator(params["engine"], path, DATASET)
        with closing(accelerator), _served(accelerator, f"{directory}/query.sock") as query:
            told = _followed(params, accelerator, query)
        ratio = _aggregates(path) if params["engine"] == "duckdb" else None
    return {**told, "aggregate_ratio": ratio}


@contextmanager
def _served(accelerator: Accelerator, query: str) -> Iterator[str]:
    served: Any = _Served(DATASET, accelerator)
    listener = Listener(query_app([served], QueryLimits()), f"unix://{query}", "query")
    listener.start()
    try:
        yield query
    finally:
        listener.stop()


def _followed(params: dict[str, Any], accelerator: Accelerator, query: str) -> dict[str, Any]:
    pages, rate = params["pages"], _RECORDS_PER_SECOND / RECORDS_PER_PAGE
    idle_pages = min(_IDLE_PAGES, pages // 2)
    busy_pages = pages - idle_pages
    endpoint = params["endpoint"]
    command = [sys.executable, "-m", "benchmarks.workload.lookups", query]
    command += [str(params["rows"]), str(busy_pages / rate)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lookups,
        measured() as span,
    ):
        lags = _lags(accelerator, endpoint, rate, 0, busy_pages)
        assert lookups.stdout is not None
        looked_up = json.loads(lookups.stdout.read())
    return {
        "lags": lags,
        "idle_lags": _lags(accelerator, endpoint, _IDLE_PAGES_PER_SECOND, busy_pages, pages),
        "lookups": looked_up,
        "peak_rss_mib": span.peak_rss_mib,
    }


def _lags(
    accelerator: Accelerator, endpoint: str, rate: float, first: int, pages: int
) -> list[float]:
    """Follow from the page `first` on, at so many a second; seconds from due to committed."""
    arrivals = _Arrivals(first, pages)
    source = source_of(endpoint)
    source.describe()
    capture = Capture(
        source,
        accelerator,
        settings=CaptureSettings(),
        generation=1,
        stop=arrivals.stop,
        on_commit=arrivals,
    )
    began_at = canned.pace(endpoint, rate, first, pages)
    capture.run()
    due_at = [began_at + (page + 1) / rate for page in range(pages - first)]
    return [at - due for at, due in zip(arrivals.committed_at[first:], due_at, strict=True)]


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
