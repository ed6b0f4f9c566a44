"""Files of 2 GB for the benchmark of restores, made once and kept below `.cache`.

One file for each engine: Snowmelt's own, without log and without free space. It is published as a
snapshot, and every other way moves the same file, byte for byte: who wants a node to go on needs
its checkpoint and the identities of its rows, whichever way it comes. What a plain file of one
table with the same rows takes is measured beside it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.kit.bucket import Files, store_of
from benchmarks.kit.programs import call
from benchmarks.workload import rows
from benchmarks.workload.content import DATASET
from benchmarks.workload.large import KEPT, bootstrap, shape
from benchmarks.workload.packed import compress
from cdc.duckdb_file import ROW_GROUP_ROWS
from cdc.engines import open_accelerator
from cdc.storage_versions import STORAGE_VERSION
from snapshotter.publish import Publisher


def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """The file and its sizes. `keep` false: in `directory` instead, for tests."""
    engine, total = params["engine"], params["rows"]
    home = KEPT if params["keep"] else Path(params["directory"])
    home.mkdir(parents=True, exist_ok=True)
    name = f"restore-{engine}-{total}"
    found = home / f"{name}-{shape(engine)}"
    if not found.exists():
        for old in home.glob(f"{name}-*"):
            shutil.rmtree(old)
        making = home / f"{name}-making"
        making.mkdir()
        (making / "sizes.json").write_text(json.dumps(_make(engine, total, making)))
        making.rename(found)
    sizes: dict[str, int] = json.loads((found / "sizes.json").read_text())
    return {"file": str(found / "file"), **sizes}


def _make(engine: Any, total: int, home: Path) -> dict[str, int]:
    live, file, plain = home / "live", home / "file", home / "plain"
    bootstrap(engine, live, rows.sorted_rows(total, batch_rows=200_000))
    if engine == "duckdb":
        options = f"(ROW_GROUP_SIZE {ROW_GROUP_ROWS}, STORAGE_VERSION '{STORAGE_VERSION}')"
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.execute(f"ATTACH '{live}' AS live (READ_ONLY)")
            connection.execute(f"ATTACH '{file}' AS file {options}")
            connection.execute("COPY FROM DATABASE live TO file")
            connection.execute("CHECKPOINT file")
            connection.execute(f"ATTACH '{plain}' AS plain")
            connection.execute(f"CREATE TABLE plain.{DATASET} AS SELECT * FROM live.{DATASET}")
    else:
        with closing(sqlite3.connect(live)) as connection:
            connection.execute(f"VACUUM INTO '{file}'")
            connection.execute(f"ATTACH '{plain}' AS plain")
            connection.execute(f"CREATE TABLE plain.{DATASET} AS SELECT * FROM {DATASET}")
            connection.commit()
    sizes = {"file_bytes": file.stat().st_size, "plain_bytes": plain.stat().st_size}
    for spent in (live, plain):
        spent.unlink()
    return sizes


def publish(params: dict[str, Any]) -> dict[str, Any]:
    """Put the file into the place: as a snapshot, as it is, and compressed; bytes of each.

    SQLite's goes there once more, by litestream where there is one.
    """
    engine, place, scratch = params["engine"], params["place"], Path(params["scratch"])
    source, file = Path(params["file"]), scratch / "source"
    shutil.copyfile(source, file)
    with closing(open_accelerator(engine, file, DATASET)) as accelerator:
        publisher = Publisher(store_of(place, engine), DATASET, holder="benchmark")
        publisher.take_over()
        with accelerator.freeze() as image:
            report = publisher.publish(image, reason="benchmark")
    sizes = {"snapshot_bytes": report.new_bytes, "zstd_bytes": 0}
    if place["endpoint"]:
        packed = compress(source, scratch / "packed")
        sizes["zstd_bytes"] = packed.stat().st_size
        files = Files(place)
        files.upload(source, f"{engine}.raw")
        files.upload(packed, f"{engine}.zst")
        packed.unlink()
    if engine == "sqlite" and params["litestream"]:
        shutil.copyfile(source, file)
        command = [params["litestream"], "replicate", "-once", "-config", params["settings"]]
        call(command, place)
    for left in scratch.glob("source*"):
        left.unlink()
    return sizes
