"""Ways from a bucket to the same file on this disk, from a cold page cache.

`seconds` is without fsync, which is taken apart on every side: Snowmelt's restore says how long its
own took, and the other files are synced behind the clock. Programs were started once before it, and
Snowmelt's modules are loaded, so nobody waits for code from the disk. None of the other ways checks
content, opens the file, or replaces one that is in use; Snowmelt's time has all of that in it.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks.kit.bucket import Place
from benchmarks.kit.child import measured, preload
from benchmarks.kit.cold import make_cold
from benchmarks.kit.programs import call
from benchmarks.workload.content import DATASET, file_digest

Fetch = Callable[[Path], None]
# What a restore loads when it comes to it.
_MODULES = {
    "duckdb": ("cdc.duckdb_accelerator", "snapshotter.s3_store"),
    "sqlite": ("cdc.sqlite_accelerator", "snapshotter.s3_store"),
}


def snowmelt(params: dict[str, Any]) -> dict[str, Any]:
    """Pointer, decision, ranged reads, digests, proof, switch."""
    from benchmarks.kit.bucket import store_of
    from benchmarks.kit.counted import Counted
    from restorer.facts import Policy
    from restorer.restore import RestoreReport, RestoreRequest, restore
    from snowmelt.memory import settle

    preload(*_MODULES[params["engine"]])
    settle()  # as the command does at its start
    store = Counted(store_of(params["place"], params["engine"]))
    reports: list[RestoreReport] = []

    def fetch(path: Path) -> None:
        reports.append(restore(store, DATASET, path, RestoreRequest(Policy(role="operator"))))

    told = _run(params, fetch)
    (report,) = reports
    fsync = report.seconds["fsync"]
    return told | {
        "seconds": told["seconds"] - fsync,
        "fsync_seconds": fsync,
        "requests": store.taken()["requests"],
        "fetched_bytes": report.bytes_fetched,
        "phases": {name: round(spent, 3) for name, spent in report.seconds.items()},
    }


def s5cmd_zstd(params: dict[str, Any]) -> dict[str, Any]:
    """s5cmd, a parallel downloader, of the compressed file; then zstd, told to use all cores."""
    place: Place = params["place"]
    zstd = str(shutil.which("zstd"))
    get = _s5cmd(params, "zst")

    def fetch(path: Path) -> None:
        packed = path.with_suffix(".zst")
        call([*get, str(packed)], place)
        call([zstd, "-d", "-T0", "-q", "--rm", str(packed), "-o", str(path)], place)

    return _run(params, fetch, [params["s5cmd"], "version"], [zstd, "--version"])


def s5cmd_raw(params: dict[str, Any]) -> dict[str, Any]:
    """s5cmd of the file as it is."""
    get = _s5cmd(params, "raw")

    def fetch(path: Path) -> None:
        call([*get, str(path)], params["place"])

    return _run(params, fetch, [params["s5cmd"], "version"])


def litestream(params: dict[str, Any]) -> dict[str, Any]:
    """Litestream's restore of what it replicated."""
    source = str(Path(params["scratch"]) / "source")
    command = [params["litestream"], "restore", "-config", params["settings"], "-o"]

    def fetch(path: Path) -> None:
        call([*command, str(path), source], params["place"])

    return _run(params, fetch, [params["litestream"], "version"])


def cp(params: dict[str, Any]) -> dict[str, Any]:
    """A plain copy on the same disk."""

    def fetch(path: Path) -> None:
        copy = ["cp", "--reflink=never", "--sparse=never", params["file"], str(path)]
        call(copy, params["place"])

    return _run(params, fetch, ["cp", "--version"])


def _s5cmd(params: dict[str, Any], form: str) -> list[str]:
    place: Place = params["place"]
    remote = f"s3://{place['root']}/{params['engine']}.{form}"
    return [params["s5cmd"], "--endpoint-url", place["endpoint"], "cp", remote]


def _run(params: dict[str, Any], fetch: Fetch, *programs: list[str]) -> dict[str, Any]:
    source = Path(params["file"])
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / "file"
        cold_by = make_cold([source, Path(params["scratch"])])
        for program in programs:
            subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
        with measured() as span:
            fetch(path)
        fsync = _synced(path)
        is_same = _is_same(params["engine"], source, path) if params["verify"] else None
    return {**span.metrics(fsync_seconds=fsync), "cold_by": cold_by, "content_ok": is_same}


def _synced(path: Path) -> float:
    started = time.perf_counter()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return time.perf_counter() - started


def _is_same(engine: str, source: Path, path: Path) -> bool:
    """The same bytes, or at least the same rows: an engine that opened a file may have written."""
    if filecmp.cmp(source, path, shallow=False):
        return True
    if engine == "duckdb":
        return file_digest(engine, source) == file_digest(engine, path)
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(path)) as other:
        found = (each.execute(f"SELECT * FROM {DATASET}") for each in (one, other))
        return all(mine == theirs for mine, theirs in zip_longest(*found))
