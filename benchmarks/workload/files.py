"""Large files for the benchmarks of snapshots and restores, prepared in a process of their own.

`prepare` makes Snowmelt's file of all rows and, one upon the other, those for each share of changed
rows. Beside each it makes a plain file for the other ways: one table with the same rows, compact,
because nobody else has to pay for Snowmelt's layout. `publish` puts a state into a place in every
form that a restore is measured from. All files are whole, without a log beside them.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.kit.bucket import Files, store_of
from benchmarks.workload import rows
from benchmarks.workload.content import DATASET, file_digest
from benchmarks.workload.packed import compress
from benchmarks.workload.pages import KEYS
from benchmarks.workload.states import checkpoint
from cdc.accelerator import Accelerator
from cdc.batch import Batch
from cdc.engines import fold_log, open_accelerator, sidecars
from snapshotter.publish import Publisher


def prepare(params: dict[str, Any]) -> list[dict[str, Any]]:
    """States for no change and for each of `changed` (rows): paths, sizes, digest."""
    engine, total, directory = params["engine"], params["rows"], Path(params["directory"])
    path = directory / f"state-0.{engine}"
    accelerator = open_accelerator(engine, path, DATASET, keys=KEYS, create=True)
    current = checkpoint(time.time())
    for batch in rows.all_rows(total):
        accelerator.append_scan(batch, current)
        current = current.next()
    accelerator.maintain(idle=True)  # the base is sorted once, as after a bootstrap
    _close(accelerator)
    paths = [path]
    for revision, count in enumerate(params["changed"], start=2):
        path = directory / f"state-{revision - 1}.{engine}"
        shutil.copyfile(paths[-1], path)
        accelerator = open_accelerator(engine, path, DATASET)
        apply(accelerator, rows.changes(total, count, revision=revision))
        _close(accelerator)
        paths.append(path)
    return [_state(engine, path) for path in paths]


def _state(engine: Any, path: Path) -> dict[str, Any]:
    plain = path.with_name(f"plain-{path.name}")
    select = f"SELECT * FROM source.{DATASET} ORDER BY tenant, route"
    if engine == "duckdb":
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"ATTACH '{path}' AS source (READ_ONLY)")
            connection.execute(f"ATTACH '{plain}' AS plain")
            connection.execute(f"CREATE TABLE plain.{DATASET} AS {select}")
    else:
        with closing(sqlite3.connect(plain, isolation_level=None)) as writer:
            writer.execute(f"ATTACH '{path}' AS source")
            names = [row[1] for row in writer.execute(f"PRAGMA source.table_info({DATASET})")]
            key = "PRIMARY KEY (tenant, route)"
            writer.execute(f"CREATE TABLE main.{DATASET} ({', '.join(names)}, {key})")
            writer.execute(f"INSERT INTO main.{DATASET} {select}")
    digest = file_digest(engine, plain)
    assert digest == file_digest(engine, path)
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "plain": str(plain),
        "plain_bytes": plain.stat().st_size,
        "digest": digest,
    }


def apply(accelerator: Accelerator, batches: Iterable[Batch]) -> None:
    """Commit batches as capture does."""
    current = accelerator.checkpoint()
    assert current is not None
    for batch in batches:
        current = current.next()
        accelerator.apply(batch, current)
        accelerator.maintain(idle=False)


def publish(params: dict[str, Any]) -> dict[str, Any]:
    """Put a state into the place: as a snapshot, plain, and plain compressed; bytes of each."""
    engine, state = params["engine"], params["state"]
    path, plain = Path(state["path"]), Path(state["plain"])
    accelerator = open_accelerator(engine, path, DATASET)
    publisher = Publisher(store_of(params["place"], engine), DATASET, holder="benchmark")
    publisher.take_over()
    with accelerator.freeze() as image:
        report = publisher.publish(image, reason="benchmark")
    accelerator.close()
    packed = compress(plain, plain.with_suffix(".zst"))
    files = Files(params["place"])
    files.upload(plain, f"{engine}.raw")
    files.upload(packed, f"{engine}.zst")
    sizes = {"raw": plain.stat().st_size, "zstd": packed.stat().st_size}
    packed.unlink()
    return {**sizes, "snapshot": report.new_bytes}


def _close(accelerator: Accelerator) -> None:
    engine, path = accelerator.engine, accelerator.path
    accelerator.close()
    if any(log.exists() for log in sidecars(engine, path)):
        fold_log(engine, path)
