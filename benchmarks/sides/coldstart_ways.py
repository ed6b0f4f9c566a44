"""A new node's two ways to its file: read the table, or restore the snapshot of who has read it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.kit.bucket import store_of
from benchmarks.kit.child import measured, preload
from benchmarks.kit.cold import make_cold
from benchmarks.sides.bootstrap_snowmelt import file_content, load
from benchmarks.workload.scan_pages import TABLE
from cdc.engines import open_accelerator
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter.publish import Publisher

_MODULES = {"duckdb": "cdc.duckdb_accelerator", "sqlite": "cdc.sqlite_accelerator"}


def bootstrap(params: dict[str, Any]) -> dict[str, Any]:
    """Load the table; the first time, publish the file."""
    path = Path(params["scratch"]) / f"bootstrapped-{params['number']}"
    span = load(params["engine"], path, params["endpoint"])
    sizes = {"file_bytes": path.stat().st_size}
    if params["number"] == 0:
        sizes |= _published(params, path)
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    return span.metrics(**sizes)


def _published(params: dict[str, Any], path: Path) -> dict[str, int]:
    with closing(open_accelerator(params["engine"], path, TABLE)) as accelerator:
        publisher = Publisher(_store(params), TABLE, holder="benchmark")
        publisher.take_over()
        with accelerator.freeze() as image:
            report = publisher.publish(image, reason="benchmark")
    return {"snapshot_bytes": report.new_bytes}


def restored(params: dict[str, Any]) -> dict[str, Any]:
    """Restore it as a central node does, from a cold page cache."""
    preload(_MODULES[params["engine"]], "snapshotter.s3_store")
    store = _store(params)
    target = Path(params["scratch"]) / f"restored-{params['number']}" / "file"
    cold_by = make_cold([Path(params["scratch"])])
    with measured() as span:
        report = restore(store, TABLE, target, RestoreRequest(Policy(allow_bootstrap=False)))
    found = file_content(params["engine"], target) if params["number"] == 0 else None
    target.unlink()
    return {
        **span.metrics(fsync_seconds=report.seconds["fsync"]),
        "phases": {name: round(spent, 3) for name, spent in report.seconds.items()},
        "content": found,
        "cold_by": cold_by,
    }


def _store(params: dict[str, Any]) -> Any:
    return store_of(params["place"], params["engine"])
