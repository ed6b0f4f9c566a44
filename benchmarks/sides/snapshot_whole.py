"""Snapshots of whole files: the naive way and the competent simple one.

Naive: checkpoint, close the database, upload the file with boto3, open it again; nothing is written
meanwhile. Competent: checkpoint, close, copy the file beside, open it again, then compress the copy
(zstd -3, all cores) and upload that. The writer waits for as long as the database is closed. Both
have a compact file of one plain table, checkpointed before, which is kind.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.kit.bucket import Files, new_prefix
from benchmarks.kit.child import measured, preload
from benchmarks.workload.content import file_digest
from benchmarks.workload.packed import compress, decompress

_MIB = 1024 * 1024
# From the live file, with a place for more files, to what was uploaded; seconds of the stall.
Way = Callable[[str, Path, Files, str], tuple[int, float]]


def naive(params: dict[str, Any]) -> dict[str, Any]:
    """Stop, upload the file, go on."""
    return _run(params, _upload_file)


def competent(params: dict[str, Any]) -> dict[str, Any]:
    """Stop, copy, go on; compress the copy and upload it."""
    return _run(params, _upload_compressed)


def _run(params: dict[str, Any], way: Way) -> dict[str, Any]:
    files, key = Files(params["place"]), new_prefix()
    measures: dict[str, dict[str, float]] = {}
    stalls: list[float] = []
    content = None
    if params["engine"] == "duckdb":
        preload("duckdb")
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / f"items.{params['engine']}"
        for measure, state in zip(params["measures"], params["states"], strict=True):
            shutil.copyfile(state["plain"], path)
            with measured() as span:
                size, stall_seconds = way(params["engine"], path, files, key)
            measures[measure] = span.metrics(uploaded_mib=size / _MIB)
            stalls.append(stall_seconds)
        if params["verify"]:
            content = _downloaded(params["engine"], way, files, key, path)
        files.delete(key)
    first = measures[params["measures"][0]]
    measures[params["stall_measure"]] = {"stall_ms": stalls[0] * 1000, **first}
    return {"measures": measures, "content": content}


def _upload_file(engine: str, path: Path, files: Files, key: str) -> tuple[int, float]:
    started = time.perf_counter()
    _checkpoint(engine, path)
    files.upload(path, key)
    _reopen(engine, path)
    return path.stat().st_size, time.perf_counter() - started


def _upload_compressed(engine: str, path: Path, files: Files, key: str) -> tuple[int, float]:
    copy = path.with_suffix(".copy")
    started = time.perf_counter()
    _checkpoint(engine, path)
    shutil.copyfile(path, copy)
    _reopen(engine, path)
    stall_seconds = time.perf_counter() - started
    packed = compress(copy, path.with_suffix(".zst"))
    files.upload(packed, key)
    return packed.stat().st_size, stall_seconds


def _checkpoint(engine: str, path: Path) -> None:
    """Open and close: what a writer that stops does with its log."""
    if engine == "duckdb":
        import duckdb

        with duckdb.connect(str(path)) as connection:
            connection.execute("CHECKPOINT")
    else:
        writer = sqlite3.connect(path)
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.close()


def _reopen(engine: str, path: Path) -> None:
    text = "SELECT * FROM items LIMIT 1"
    if engine == "duckdb":
        import duckdb

        with duckdb.connect(str(path)) as connection:
            connection.execute(text).fetchall()
    else:
        reader = sqlite3.connect(path)
        reader.execute(text).fetchall()
        reader.close()


def _downloaded(engine: Any, way: Way, files: Files, key: str, path: Path) -> str:
    target = path.with_suffix(".down")
    files.download(key, target)
    if way is _upload_compressed:
        target = decompress(target, path.with_suffix(".plain"))
    return file_digest(engine, target)
