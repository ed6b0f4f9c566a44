"""A restore over a stale file of the node, and one to a path where nothing is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.kit.bucket import store_of
from benchmarks.kit.child import measured, preload
from benchmarks.kit.cold import make_cold
from benchmarks.kit.counted import Counted
from benchmarks.workload import rows
from benchmarks.workload.content import DATASET, file_digest
from benchmarks.workload.files import apply
from cdc.engines import open_accelerator
from restorer.facts import Policy
from restorer.restore import RestoreReport, RestoreRequest, restore
from snapshotter.publish import Publisher
from snowmelt.memory import settle

# Whom a stale file does not keep from the newest snapshot.
_EDGE = RestoreRequest(Policy(role="edge"))
_PIECE_BYTES = 4 * 1024 * 1024
_MODULES = {"duckdb": "cdc.duckdb_accelerator", "sqlite": "cdc.sqlite_accelerator"}


def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """A node at a snapshot, and a newer snapshot after some rows were changed."""
    engine, total, scratch = params["engine"], params["rows"], Path(params["scratch"])
    store, source = store_of(params["place"], engine), scratch / "source"
    shutil.copyfile(params["live"], source)
    with closing(open_accelerator(engine, source, DATASET)) as accelerator:
        publisher = Publisher(store, DATASET, holder="benchmark")
        publisher.take_over()
        with accelerator.freeze() as image:
            publisher.publish(image, reason="benchmark")
        restore(store, DATASET, scratch / "stale" / "file", _EDGE)
        count = round(total * params["changed_share"])
        apply(accelerator, rows.changes(total, count, revision=2, batch_rows=1_000))
        while accelerator.maintain(idle=True).is_pending:
            pass
        with accelerator.freeze() as image:
            report = publisher.publish(image, reason="benchmark")
    digest = file_digest(engine, source) if params["verify"] else ""
    return {"changed_rows": count, "uploaded_bytes": report.new_bytes, "digest": digest}


def seeded(params: dict[str, Any]) -> dict[str, Any]:
    """The stale file is at the target."""
    return _run(params, _stale(params))


def seeded_cached(params: dict[str, Any]) -> dict[str, Any]:
    """The stale file is at the target, and in the page cache."""
    return _run(params, _stale(params), is_cached=True)


def unseeded(params: dict[str, Any]) -> dict[str, Any]:
    """Nothing is at the target."""
    return _run(params, lambda folder: folder.mkdir())


def _stale(params: dict[str, Any]) -> Callable[[Path], object]:
    return lambda folder: shutil.copytree(Path(params["scratch"]) / "stale", folder)


def _run(
    params: dict[str, Any], make: Callable[[Path], object], *, is_cached: bool = False
) -> dict[str, Any]:
    engine = params["engine"]
    settle()  # as the command does at its start
    preload(_MODULES[engine], "snapshotter.s3_store", "restorer.seed")
    store = Counted(store_of(params["place"], engine))
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        target = Path(directory) / "node" / "file"
        make(target.parent)
        cold_by = make_cold([Path(params["scratch"])])
        if is_cached:
            with target.open("rb") as file:
                while file.read(_PIECE_BYTES):
                    pass
        with measured() as span:
            report: RestoreReport = restore(store, DATASET, target, _EDGE)
        assert report.snapshot_id is not None, report.decision
        is_same = params["digest"] in ("", file_digest(engine, target))
    fsync = report.seconds["fsync"]
    return {
        **span.metrics(fsync_seconds=fsync),
        "seconds": span.seconds - fsync,
        "fetched_bytes": report.bytes_fetched,
        "seeded_bytes": report.bytes_seeded,
        "requests": store.taken()["requests"],
        "phases": {name: round(spent, 3) for name, spent in report.seconds.items()},
        "cold_by": cold_by,
        "content_ok": is_same,
    }
