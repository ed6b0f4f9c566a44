"""Snowmelt's snapshots of one live file.

A full one, one after each share of changed rows, and a full one beside a writer that never rests,
whose waits are timed.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.kit.bucket import new_prefix, store_of
from benchmarks.kit.child import measured
from benchmarks.workload import files, rows
from benchmarks.workload.content import DATASET, file_digest
from cdc.accelerator import Accelerator
from cdc.batch import Batch
from cdc.engines import open_accelerator
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter.publish import Publisher
from snapshotter.store import ObjectStore

_MIB = 1024 * 1024
_WRITER_ROWS = 100
_REST_SECONDS = 0.01
Measures = dict[str, dict[str, float]]


def run(params: dict[str, Any]) -> dict[str, Any]:
    """Every measure, in one life of the file and of the publisher."""
    engine, total = params["engine"], params["rows"]
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / f"{DATASET}.{engine}"
        shutil.copyfile(params["states"][0]["path"], path)
        accelerator = open_accelerator(engine, path, DATASET)
        store = store_of(params["place"], new_prefix())
        publisher = Publisher(store, DATASET, holder="benchmark")
        publisher.take_over()
        measures: Measures = {params["measures"][0]: _publish(accelerator, publisher)}
        for revision, count in enumerate(params["changed"], start=2):
            files.apply(accelerator, rows.changes(total, count, revision=revision))
            measures[params["measures"][revision - 1]] = _publish(accelerator, publisher)
        content = _restored(store, Path(directory), engine) if params["verify"] else None
        measures[params["stall_measure"]] = _stall(accelerator, publisher, total)
        accelerator.close()
    return {"measures": measures, "content": content}


def _publish(
    accelerator: Accelerator, publisher: Publisher, *, full: bool = False
) -> dict[str, float]:
    with measured() as span, accelerator.freeze() as image:
        report = publisher.publish(image, reason="benchmark", full=full)
    return span.metrics(uploaded_mib=report.new_bytes / _MIB)


def _restored(store: ObjectStore, directory: Path, engine: Any) -> str:
    target = directory / f"restored.{engine}"
    restore(store, DATASET, target, RestoreRequest(Policy(role="operator")))
    return file_digest(engine, target)


def _stall(accelerator: Accelerator, publisher: Publisher, total: int) -> dict[str, float]:
    """The longest commit beside a full publish and just after it, and in quiet times."""
    count = min(total, 20_000)
    batches = list(rows.changes(total, count, revision=99, batch_rows=_WRITER_ROWS))
    with _writing(accelerator, batches) as waits:
        time.sleep(2.0)
        quiet = max(waits)
        waits.clear()
        publisher_report = _publish(accelerator, publisher, full=True)
        time.sleep(1.0)  # what the freeze held off is done now
    return {"stall_ms": max(waits) * 1000, "quiet_ms": quiet * 1000, **publisher_report}


@contextmanager
def _writing(accelerator: Accelerator, batches: list[Batch]) -> Iterator[list[float]]:
    """A thread that commits 100 rows again and again; the seconds that each commit took."""
    waits: list[float] = []
    stopped = threading.Event()

    def write() -> None:
        for batch in itertools.cycle(batches):
            started = time.perf_counter()
            files.apply(accelerator, [batch])
            waits.append(time.perf_counter() - started)
            if stopped.wait(_REST_SECONDS):
                return

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield waits
    finally:
        stopped.set()
        thread.join()
