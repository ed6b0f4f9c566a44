"""What a writer feels of snapshots: 100 rows committed fifty times a second, beside four readers.

Upkeep runs beside commits as in capture. Readers never pause: three look up keys, one asks for an
aggregate that takes tens of milliseconds, so at any instant somebody reads the file. A snapshot is
begun each two minutes by a clock that runs twenty times faster, so that between two of them lie as
many commits as fit into six seconds; it is skipped if the freeze breaks. A commit counts as one
during a snapshot if it ends between the begin of the freeze and a second after its end, when what
the freeze held off is done.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.kit.bucket import new_prefix, store_of
from benchmarks.kit.copies import copied
from benchmarks.workload import rows
from benchmarks.workload.content import DATASET
from cdc.accelerator import Accelerator, FreezeBroken, QueryLimits
from cdc.batch import Batch
from cdc.capture_upkeep import UpkeepBeside
from cdc.engines import open_accelerator, sidecars
from cdc.polling import ThreadWorkers
from snapshotter.publish import Publisher
from snowmelt import turns

_READERS = 4
_BATCH_ROWS = 100
_COMMITS_PER_SECOND = 50
_AFTERMATH_SECONDS = 1.0
_AGGREGATE = f"SELECT count(*), max(revision) FROM (SELECT revision FROM {DATASET} LIMIT 50000)"


def run(params: dict[str, Any]) -> dict[str, Any]:
    """Commits as (end, seconds) and snapshots as (begin, end)."""
    turns.shorten()
    engine = params["engine"]
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = copied(params["live"], Path(directory) / "live")
        publisher = Publisher(store_of(params["place"], new_prefix()), DATASET, holder="benchmark")
        publisher.take_over()
        with closing(open_accelerator(engine, path, DATASET)) as accelerator:
            _publish(accelerator, publisher)
            return _beside(accelerator, publisher, params)


def _beside(
    accelerator: Accelerator, publisher: Publisher, params: dict[str, Any]
) -> dict[str, Any]:
    total, count, every = params["rows"], params["snapshots"], params["every_seconds"]
    seconds = (count + 1) * (every + 2 * _AFTERMATH_SECONDS)
    changed = min(total, int(seconds * _COMMITS_PER_SECOND) * _BATCH_ROWS)
    batches = list(rows.changes(total, changed, revision=9, batch_rows=_BATCH_ROWS))
    commits: list[tuple[float, float]] = []
    snapshots: list[tuple[float, float]] = []
    broken = 0
    with _reading(accelerator, total) as queries, _writing(accelerator, batches, commits) as logs:
        due = time.perf_counter() + every
        while len(snapshots) < count:
            time.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            try:
                _publish(accelerator, publisher)
            except FreezeBroken:
                broken += 1
            snapshots.append((began, time.perf_counter() + _AFTERMATH_SECONDS))
            due = max(due, time.perf_counter()) + every
        time.sleep(_AFTERMATH_SECONDS)
    return {
        "commits": commits,
        "snapshots": snapshots,
        "skipped": broken,
        "queries": len(queries),
        "longest_log_mib": max(logs) / 2**20,
    }


def _publish(accelerator: Accelerator, publisher: Publisher) -> None:
    with accelerator.freeze() as image:
        publisher.publish(image, reason="benchmark")


def _log_bytes(accelerator: Accelerator) -> int:
    logs = (path for path in sidecars(accelerator.engine, accelerator.path) if "wal" in path.name)
    return sum(path.stat().st_size for path in logs if path.exists())


@contextmanager
def _writing(
    accelerator: Accelerator, batches: list[Batch], commits: list[tuple[float, float]]
) -> Iterator[list[int]]:
    logs, workers = [0], ThreadWorkers(1, 1)

    def write(stop: threading.Event) -> None:
        upkeep, due = UpkeepBeside(accelerator, workers), time.perf_counter()
        current = accelerator.checkpoint()
        assert current is not None
        number = 0
        while not stop.wait(max(0.0, due - time.perf_counter())):
            began = time.perf_counter()
            upkeep.make_way()
            current = current.next()
            accelerator.apply(batches[number % len(batches)], current)
            ended = time.perf_counter()
            commits.append((ended, ended - began))
            upkeep.note_commit()
            upkeep.run(idle=False)
            logs.append(_log_bytes(accelerator))
            number += 1
            due = max(due + 1 / _COMMITS_PER_SECOND, ended)
        upkeep.settle()

    with _threads(write, 1):
        yield logs
    workers.close()


@contextmanager
def _reading(accelerator: Accelerator, total: int) -> Iterator[list[float]]:
    queries: list[float] = []
    numbers = iter(range(_READERS))

    def read(stop: threading.Event) -> None:
        number = next(numbers)
        seeded = random.Random(number)
        while not stop.is_set():
            began = time.perf_counter()
            row = seeded.randrange(total)
            if number:
                key = {
                    "tenant": {"S": f"tenant#{row % 500:04d}"},
                    "route": {"S": f"route#{row:08d}"},
                }
                assert accelerator.read(key) is not None
            else:
                accelerator.query(_AGGREGATE, QueryLimits())
            queries.append(time.perf_counter() - began)

    with _threads(read, _READERS):
        yield queries


@contextmanager
def _threads(work: Callable[[threading.Event], None], count: int) -> Iterator[None]:
    stop = threading.Event()
    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(work, stop) for _ in range(count)]
        try:
            yield
        finally:
            stop.set()
    for each in running:
        each.result()
